"""Buckets and plugins are checked before a job starts: one message says what is wrong and what to do."""

from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from evoalign.errors import InputError
from evoalign.storage import check_buckets, check_keys, check_url, is_url, plugin_for

PARTS = st.text("abcXYZ 019._-+=@ä", min_size=1).filter(lambda part: part != "..")
KEYS = st.lists(PARTS, min_size=1).map("/".join)


@given(st.from_regex(r"[a-z0-9][a-z0-9.-]{2,20}", fullmatch=True), KEYS)
def test_every_key_without_what_ends_a_url_is_taken(bucket, key):
    assert is_url(f"s3://{bucket}/{key}")
    check_url(f"s3://{bucket}/{key}", "row 2")


@pytest.mark.parametrize(
    "path", ["/data/a.nev", "a.nev", "../a.plx", "C:/a.plx", "data:1/a.plx", "", "a//b.plx"]
)
def test_a_path_is_no_url(path):
    assert not is_url(path)


def test_a_query_is_part_of_a_web_address():
    check_url("https://lab.org/a.nwb?download=1", "row 2")


def test_each_url_has_its_plugin():
    assert plugin_for("s3://lab/a.plx") == "s3"


@pytest.mark.parametrize(
    ("url", "hint"), [("gs://lab/a.plx", "plugin-gcs"), ("ftp://lab/a.plx", "catalogue")]
)
def test_a_plugin_that_is_not_installed_is_named(url, hint):
    with pytest.raises(InputError, match="no storage plugin does") as caught:
        plugin_for(url)
    assert hint in caught.value.hint


def client(**given):
    # Nothing listens on port 1 of this machine.
    quick = Config(retries={"max_attempts": 1}, connect_timeout=1)
    return boto3.client(
        "s3", endpoint_url="http://127.0.0.1:1", region_name="us-east-1", config=quick, **given
    )


def stored(bucket, s3):
    """An object as S3's storage plugin holds it."""
    resource = SimpleNamespace(meta=SimpleNamespace(client=s3))
    return SimpleNamespace(bucket=bucket, provider=SimpleNamespace(s3c=resource))


KEY = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}


def test_a_bucket_is_asked_for_once():
    s3 = client(**KEY)
    with Stubber(s3) as stub:
        stub.add_response("head_bucket", {}, {"Bucket": "lab"})
        check_buckets([stored("lab", s3)] * 3)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "what", "hint"),
    [
        ("403", "refused", "s3:ListBucket"),
        ("404", "no such bucket", "sample sheet"),
        ("400", "credentials or region", "ACCESS_KEY"),
        ("301", "another region", "--storage-s3-region"),
        ("503", "cannot be read", "ACCESS_KEY"),
    ],
)
def test_each_answer_of_the_server_says_how_to_mend_it(code, what, hint):
    s3 = client(**KEY)
    with Stubber(s3) as stub, pytest.raises(InputError, match=what) as caught:
        stub.add_client_error("head_bucket", service_error_code=code)
        check_buckets([stored("lab", s3)])
    assert caught.value.where == "s3://lab, at http://127.0.0.1:1" and hint in caught.value.hint


def test_missing_credentials_are_told_from_a_server_that_does_not_answer(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InputError, match="no credentials"):
        check_buckets([stored("lab", client())])
    with pytest.raises(InputError, match="does not answer") as caught:
        check_buckets([stored("lab", client(**KEY))])
    assert "--storage-s3-endpoint-url" in caught.value.hint


@pytest.mark.parametrize("key", ["../a.nev", "x/../../a.nev", "x/%2e%2e/a.nev", "x\\..\\a", "x\x07.nev"])
def test_a_key_that_leads_out_of_its_folder_is_refused(key):
    with pytest.raises(InputError, match="leads out of its folder") as caught:
        check_url(f"s3://lab/{key}", "row 2")
    assert caught.value.hint


@pytest.mark.parametrize("key", ["images/../../.ssh/x", "images//etc/x", "images/a/../b", "images/a\n.png"])
def test_objects_of_a_folder_that_would_be_fetched_to_elsewhere_are_refused(key):
    with pytest.raises(InputError, match="outside of its folder") as caught:
        check_keys(["images/a.png", key], "s3://lab/images")
    assert caught.value.hint
    check_keys(["images/a.png", "images/b/c..d.png", "images/.zattrs"], "s3://lab/images")
