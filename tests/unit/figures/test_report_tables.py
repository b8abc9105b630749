"""The report's tables count what the stages' files hold."""

import pandas as pd
import pytest

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.tables import LOG
from evoalign.figures.report_tables import findings_section, gaps, logs_section, sections
from evoalign.nwb.tables import FINDINGS
from evoalign.recordings.tables import SEGMENTS


def segments(*rows, stream="broadband", rate=1000.0):
    columns = ["start_s", "n_samples"]
    frame = pd.DataFrame(rows, columns=columns).assign(stream=stream, sampling_rate_hz=rate)
    return tables.conform(frame.assign(segment=range(len(frame))), SEGMENTS)


def test_gaps_are_what_lies_between_segments_of_the_fastest_stream():
    fast = segments((0.0, 4000), (31.0, 4000), (40.5, 10))
    slow = segments((0.0, 10), (9.0, 10), (20.0, 10), (30.0, 1), stream="field", rate=100.0)
    found = gaps(pd.concat([slow, fast], ignore_index=True))
    assert found == {"gaps": 2, "gaps, total (s)": pytest.approx(27.0 + 5.5), "longest (s)": 27.0}


def test_no_segments_and_one_segment_have_no_gap():
    for frame in (tables.empty(SEGMENTS), segments((5.0, 100))):
        assert gaps(frame) == {"gaps": 0, "gaps, total (s)": 0, "longest (s)": 0.0}


def test_findings_are_counted_and_named_by_session(tmp_path):
    row = {"tool": "dandi", "importance": "ERROR", "check": "c", "location": "/", "message": "<b>bad</b>"}
    tables.write(pd.DataFrame([row]), FINDINGS, tmp_path / "one.parquet")
    tables.write(tables.empty(FINDINGS), FINDINGS, tmp_path / "two.parquet")
    section = findings_section({"s1": tmp_path / "one.parquet", "s2": tmp_path / "two.parquet"})
    assert "2 NWB files: 1 findings" in section.lead
    assert "<td>s1</td>" in section.html and "&lt;b&gt;bad" in section.html


def test_a_finding_of_many_files_is_one_row(tmp_path):
    row = {"tool": "dandi", "importance": "ERROR", "check": "c", "location": "/", "message": "bad"}
    files = {f"s{k}": tmp_path / f"{k}.parquet" for k in range(6)}
    for k, file in enumerate(files.values()):
        own = [row] + [row | {"message": "worse"}] * (k > 0) + [row | {"message": "worst"}] * (k == 3)
        tables.write(pd.DataFrame(own), FINDINGS, file)
    section = findings_section(files)
    assert "6 NWB files: 12 findings" in section.lead and section.html.count("<tr>") == 3
    for sessions in ("all 6", "5: s1 to s5", "s3"):
        assert f"<td>{sessions}</td>" in section.html


def test_a_log_alone_is_counted(tmp_path):
    tables.write(tables.empty(LOG), LOG, tmp_path / "s9" / "events" / "log.parquet")
    inputs = {"pooled": [], "alignment": [], "logs": [tmp_path / "s9/events/log.parquet"]}
    (found,) = sections(inputs, recorded=[], packaged=[])
    assert found.title == "Logs alone" and "<td>s9</td>" in found.html


def test_a_missing_table_is_one_message(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        logs_section({"s": tmp_path / "none.parquet"})
