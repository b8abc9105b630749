from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from evoalign.pipeline.provenance.records import Job, behind, read_jobs, record_file, write_job


def test_a_record_is_read_as_it_was_written(study):
    for job in study:
        write_job(job, "results")
    assert sorted(read_jobs("results"), key=lambda job: job.usage.started) == study
    assert record_file("results", "recording", {"session": "a"}).exists()


def test_a_job_that_runs_again_replaces_its_own_record_alone(study, make_job):
    for job in study:
        write_job(job, "results")
    again = make_job("recording", {}, (), session="a", at_s=100)
    write_job(again, "results")
    assert sorted(read_jobs("results"), key=lambda job: job.rule) == [study[1], again, study[2]]


def test_a_record_of_another_form_is_passed_over(study):
    write_job(study[0], "results")
    record_file("results", "recording", {"session": "b"}).write_text('{"rule": "recording"}')
    assert read_jobs("results") == study[:1]


def test_behind_a_report_are_the_jobs_that_it_comes_from_and_no_others(study, make_job):
    gone = make_job("recording", {"raw/b.plx": ""}, ("results/sessions/b/words.parquet",), session="b")
    jobs, sources = behind("results/report.html", [gone, *study[::-1]])
    assert jobs == study
    assert sources == ["maps/V1.tsv", "raw/a.plx", "raw/images"]


def test_of_two_jobs_that_made_the_same_file_the_later_counts(study, make_job):
    old = make_job("summary", {"raw/old.plx": ""}, ("results/report.html",), at_s=-500)
    assert behind("results/report.html", [*study, old])[0] == study


@given(st.dictionaries(st.integers(0, 30), st.sets(st.integers(0, 30)), max_size=30))
def test_jobs_behind_are_those_of_a_search_over_the_graph(graph):
    """Beside an independent search: a fixed point over all edges; circles do no harm."""
    given_ = {
        made: Job.model_construct(
            rule=str(made),
            wildcards={},
            usage=SimpleNamespace(started=made, ended=made),
            inputs=dict.fromkeys(map(str, needs), ""),
            outputs=(str(made),),
        )
        for made, needs in graph.items()
    }
    reached = {0}
    while more := {need for made in reached for need in graph.get(made, ())} - reached:
        reached |= more
    jobs, sources = behind("0", given_.values())
    assert {int(job.rule) for job in jobs} == reached & set(graph)
    assert {int(file) for file in sources} == reached - set(graph)
