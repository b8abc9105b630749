"""The journal keeps every record that was acknowledged, and nothing that was not."""

import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoalign.errors import InputError
from evoalign.loop.journal import Journal, read_journal

RECORDS = [{"kind": "shown", "number": k, "onset_s": 0.1 + k / 3} for k in range(5)]


def written(path, records=RECORDS):
    with Journal(path) as journal:
        for record in records:
            journal.append(record)
    return path.read_bytes()


def test_records_come_back_bit_for_bit(tmp_path):
    written(tmp_path / "j.jsonl")
    assert read_journal(tmp_path / "j.jsonl") == RECORDS
    with Journal(tmp_path / "j.jsonl") as journal:
        assert journal.records == RECORDS


def test_a_cut_at_any_byte_loses_only_the_record_that_was_being_written(tmp_path):
    path = tmp_path / "j.jsonl"
    content = written(path)
    ends = [k + 1 for k, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        n_complete = sum(end <= cut for end in ends)
        assert read_journal(path) == RECORDS[:n_complete]
        with Journal(path) as journal:
            for record in RECORDS[n_complete:]:
                journal.append(record)
        assert path.read_bytes() == content


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_byte_is_never_read_as_a_record(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    content = bytearray(written(path))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_journal(path)


def test_a_sector_that_a_power_failure_kept_back_is_no_damage(tmp_path):
    path = tmp_path / "j.jsonl"
    content = written(path)
    path.write_bytes(content + bytes(600) + b'"}\n')
    with Journal(path) as journal:
        assert journal.records == RECORDS
    assert path.read_bytes() == content


def test_a_record_that_was_taken_out_is_noticed(tmp_path):
    path = tmp_path / "j.jsonl"
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(InputError, match="record 3 is damaged"):
        read_journal(path)


def test_a_second_process_is_refused(tmp_path):
    with Journal(tmp_path / "j.jsonl"), pytest.raises(InputError, match="another process"):
        Journal(tmp_path / "j.jsonl")


def test_a_full_disk_is_told_and_loses_nothing(tmp_path):
    path = tmp_path / "j.jsonl"
    script = f"""
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        from evoalign.errors import InputError
        from evoalign.loop.journal import Journal
        journal = Journal({str(path)!r})
        n = 0
        try:
            while True:
                journal.append({{"number": n, "text": "x" * 50}})
                n += 1
        except InputError as error:
            assert "disk is full" in str(error), error
        print(n)
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    n = int(finished.stdout)
    assert n > 2
    assert [record["number"] for record in read_journal(path)] == list(range(n))
    with Journal(path) as journal:
        journal.append({"number": n})
    assert read_journal(path)[-1] == {"number": n}
