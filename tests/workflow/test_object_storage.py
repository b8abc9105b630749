"""A session whose files lie in object storage: on a local server that speaks S3's protocol."""

import boto3
import pytest
from moto.server import ThreadedMotoServer
from running import jobs, results, small_study, snakemake

pytestmark = pytest.mark.slow

SESSION = "IT_blackrock"
NWB = f"results/nwb/{SESSION}.nwb"
BUCKET, FOLDER = "lab-bucket", "2026-01-01"


@pytest.fixture(scope="module")
def endpoint():
    """A server on a port of its own; where it is, and with which keys, as a user says it in the shell."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as shell:
        shell.setenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", f"http://{host}:{port}")
        shell.setenv("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "name")
        shell.setenv("SNAKEMAKE_STORAGE_S3_SECRET_KEY", "secret")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def bucket(endpoint, study):
    """A bucket with the session's files in a folder, and none of its truth."""
    keys = {"aws_access_key_id": "name", "aws_secret_access_key": "secret"}
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).Bucket(BUCKET)
    bucket.create()
    local = study / "data/demo" / SESSION
    for file in local.rglob("*"):
        name = file.relative_to(local)
        if file.is_file() and name.parts[0] != "truth":
            bucket.upload_file(str(file), f"{FOLDER}/{name.as_posix()}")
    return bucket


def checkout(folder, study):
    """A checkout of one session, whose raw files, log, latents and images are named by URL."""
    small_study(folder, study)
    sheet = folder / "config/sessions.tsv"
    header, *rows = sheet.read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(SESSION)]
    sheet.write_text(f"{header}\n{row.replace(f'data/demo/{SESSION}/', f's3://{BUCKET}/{FOLDER}/')}\n")
    return folder


@pytest.fixture(scope="module")
def packaged(bucket, study, tmp_path_factory):
    """A checkout after its run from the bucket to the NWB file."""
    folder = checkout(tmp_path_factory.mktemp("remote"), study)
    snakemake("--cores", 2, NWB, cwd=folder)
    return folder


def test_the_session_is_the_same_to_the_byte_as_from_local_files(packaged, study):
    made = results(packaged)
    assert NWB in made and f"results/sessions/{SESSION}/events/log.parquet" in made
    assert made == {name: digest for name, digest in results(study).items() if name in made}


def test_fetched_files_are_removed_after_their_last_job_and_their_place_is_not_told(packaged):
    assert not [path for path in (packaged / ".snakemake/storage").rglob("*") if path.is_file()]
    told = [packaged / name for name in results(packaged)]
    assert not [path for path in told if b".snakemake/" in path.read_bytes()]


def test_an_object_that_changes_reruns_what_reads_it(packaged, bucket):
    assert "Nothing to be done" in snakemake("-n", NWB, cwd=packaged).stdout
    log = bucket.Object(f"{FOLDER}/log.tsv")
    before = log.get()["Body"].read()
    log.put(Body=before + b"\n")
    planned = snakemake("-n", NWB, cwd=packaged).stdout
    log.put(Body=before)
    assert set(jobs(planned)) == {"stimulus_log", "presentations", "nwb", "total"}


def refused(folder, *arguments):
    """What Snakemake says before it ends, without having started a job."""
    done = snakemake("-n", NWB, *arguments, cwd=folder, check=False)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert len(done.stdout.splitlines()) < 35
    return done.stdout


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (".ns6", ".ns5", ["Missing input files", f"s3://{BUCKET}/{FOLDER}/{SESSION}.ns5"]),
        (BUCKET, "lab-buket", ["there is no such bucket", "s3://lab-buket", "correct its name"]),
        ("s3://", "gs://", ["cannot fetch gs://", "pip install snakemake-storage-plugin-gcs"]),
    ],
)
def test_what_cannot_be_fetched_is_one_message(bucket, study, tmp_path, old, new, words):
    folder = checkout(tmp_path / "other", study)
    sheet = folder / "config/sessions.tsv"
    sheet.write_text(sheet.read_text().replace(old, new))
    said = refused(folder)
    assert all(word in said for word in words)


def test_missing_credentials_are_one_message(bucket, study, tmp_path, monkeypatch):
    for name in ("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "SNAKEMAKE_STORAGE_S3_SECRET_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    said = refused(checkout(tmp_path / "other", study))
    assert "no credentials are given for the bucket" in said
    assert "set SNAKEMAKE_STORAGE_S3_ACCESS_KEY" in said
