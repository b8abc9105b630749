"""Weights are downloaded when asked, checked, and not left behind when they are wrong."""

import dataclasses
import functools
import http.server
import threading

import pytest
import torch
import yaml

from evoalign.cli import main
from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.spaces import fetch as module
from evoalign.spaces.deepsim import DeepsimNetwork, load_deepsim
from evoalign.spaces.fetch import PUBLISHED, fetch
from evoalign.study import check_config


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server with a narrow network's weights under the published name; folder and address."""
    folder = tmp_path / "site"
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(DeepsimNetwork(16).state_dict(), folder / "upconvGAN_fc6.pt")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/upconvGAN_fc6.pt"
    narrow = dataclasses.replace(
        PUBLISHED["deepsim"], url=url, load=functools.partial(load_deepsim, narrowing=16)
    )
    monkeypatch.setitem(module.PUBLISHED, "deepsim", narrow)
    yield folder, url
    server.shutdown()
    server.server_close()


def test_weights_come_under_their_name_and_the_config_lines_are_those_of_a_config(site, tmp_path, capsys):
    assert main(["spaces", "fetch", "deepsim", "--to", str(tmp_path / "weights")]) == 0
    told = capsys.readouterr().out
    path = tmp_path / "weights/upconvGAN_fc6.pt"
    assert path.read_bytes() == (site[0] / path.name).read_bytes()
    assert "No checksum is published" in told
    config = check_config(yaml.safe_load(told.split("\n\n")[1]))
    assert config.spaces.deepsim.weights == str(path)
    assert config.spaces.deepsim.sha256 == sha256(path)


def test_a_file_that_is_there_is_checked_and_kept(site, tmp_path):
    path = fetch("deepsim", tmp_path)
    before = path.stat().st_mtime_ns
    assert fetch("deepsim", tmp_path, url="http://127.0.0.1:1/gone") == path
    assert path.stat().st_mtime_ns == before
    path.write_text("mine")
    with pytest.raises(InputError, match="no file of weights"):
        fetch("deepsim", tmp_path)
    assert path.read_text() == "mine"  # not ours to remove


def test_a_file_of_another_checksum_or_with_other_tensors_is_not_left_behind(site, tmp_path):
    folder, _ = site
    digest = sha256(folder / "upconvGAN_fc6.pt")
    assert fetch("deepsim", tmp_path / "right", checksum=digest.upper()).exists()
    with pytest.raises(InputError, match=f"SHA-256 {digest}, not 0000"):
        fetch("deepsim", tmp_path / "wrong", checksum="00" * 32)
    (folder / "upconvGAN_fc6.pt").write_text("<html>Sign in</html>")
    with pytest.raises(InputError, match="no file of weights"):
        fetch("deepsim", tmp_path / "wrong")
    assert list((tmp_path / "wrong").iterdir()) == []


def test_no_connection_is_one_message_that_says_what_to_put_where(site, tmp_path, capsys):
    given = ["spaces", "fetch", "deepsim", "--to", str(tmp_path / "w"), "--url", "http://127.0.0.1:1/x"]
    assert main(given) == 1
    told = capsys.readouterr().err
    for part in ("cannot download DeePSim", "http://127.0.0.1:1/x", "upconvGAN_fc6.pt by hand"):
        assert part in told
    assert main(["spaces", "fetch", "bigan"]) == 1
    assert "known: deepsim, biggan" in capsys.readouterr().err
    missing = f"{site[1]}.gone"
    assert main(["spaces", "fetch", "deepsim", "--to", str(tmp_path / "w"), "--url", missing]) == 1
    assert "404" in capsys.readouterr().err


def test_the_list_says_which_file_goes_where(capsys):
    assert main(["spaces", "list"]) == 0
    told = capsys.readouterr().out
    for published in PUBLISHED.values():
        assert published.file in told
        assert published.url in told
        assert len(published.sha256) in (0, 64)
    assert "spaces.deepsim.weights" in told
