"""The third-party update client itself, against a third-party device manager: what the tests of our
own manager rely on is shown here to be true of the two without us.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_goosebit_server import DEVICE, Peer

FIXTURE = Path(__file__).with_name("swupdate_fixture.py")
TOKEN = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.skipif(shutil.which("swupdate") is None, reason="SWUpdate is not installed")


def fixture(*arguments):
    done = subprocess.run([sys.executable, FIXTURE, *map(str, arguments)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    assert not done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def update(folder, *make_options, result="success"):
    """Makes an update, offers it with goosebit and lets SWUpdate take it."""
    _, (made,) = fixture("make", "--folder", folder, "--version", "1.1.0", *make_options)
    peer = Peer("--image", made["swu"], "--version", "1.1.0", "--token", TOKEN, "--registered")
    try:
        url = peer.ddi.split("/DEFAULT/")[0]
        done = fixture("run", "--folder", folder, "--url", url, "--device", DEVICE,
                       "--token", TOKEN, "--result", result)
        return peer.wait("feedback", execution="closed"), *done
    finally:
        peer.close()


def test_an_update_is_installed_and_reported(tmp_path):
    closed, code, lines = update(tmp_path)
    assert closed["finished"] == "success"
    assert code == 0
    assert lines == [{"event": "online"},
                     {"event": "installed", "identical": True},
                     {"event": "reported", "result": "success"}]


def test_new_software_that_fails_its_test_is_reported(tmp_path):
    closed, code, lines = update(tmp_path, result="failure")
    assert closed["finished"] == "failure"
    assert (code, lines[-1]) == (0, {"event": "reported", "result": "failure"})


def test_a_damaged_update_is_refused_and_nothing_is_installed(tmp_path):
    closed, code, lines = update(tmp_path, "--damaged")
    assert closed["finished"] == "failure"
    assert code == 2
    assert lines[-1]["event"] == "refused"
    assert any("HASH mismatch" in line for line in lines[-1]["errors"]), lines
    assert not (tmp_path / "installed.bin").exists()
