"""The peer device manager itself, driven by a scripted device: what it offers, what it reports.

Run by `cargo xtask test`; alone: `$OTARU_VENV_PYTHON -m pytest tests/interop`.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

import httpx
import pytest

SERVER = Path(__file__).with_name("goosebit_server.py")
PATIENCE_S = 60
DEVICE = "dev-000000000001"


class Peer:
    """The running server, and the lines it prints."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, SERVER, "--device", DEVICE, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = Queue()
        self.errors = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()
        self.seen = []
        self.ddi = self.wait("ready")["ddi_url"]

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def wait(self, event, **fields):
        """The next line of this event whose fields have these values."""
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE_S)
            except Empty:
                pytest.fail(f"no {event} {fields}; seen {self.seen}; errors {self.errors[-20:]}")
            self.seen.append(line)
            if line["event"] == event and fields.items() <= line.items():
                return line

    def feedback(self, execution, finished, details=()):
        status = {"execution": execution, "result": {"finished": finished}, "code": 10,
                  "details": list(details)}
        reply = httpx.post(f"{self.ddi}/deploymentBase/1/feedback", json={"id": "1", "status": status})
        assert reply.status_code == 200, reply.text

    def links(self):
        return httpx.get(self.ddi).raise_for_status().json()["_links"]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=PATIENCE_S) == 0


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "counter-1.1.0.img"
    path.write_bytes(os.urandom(300_000))
    return path


@pytest.fixture
def start(image):
    peers = []

    def start(*options):
        peer = Peer("--image", str(image), "--version", "1.1.0+7", *options)
        peers.append(peer)
        return peer

    yield start
    for peer in peers:
        peer.close()


def test_a_device_registers_downloads_and_finishes(start, image):
    peer = start()
    assert list(peer.links()) == ["configData"]
    data = {"otaru.version": "1.0.0"}
    httpx.put(f"{peer.ddi}/configData", json={"mode": "merge", "data": data}).raise_for_status()
    assert peer.wait("config-data")["data"] == data
    assert peer.wait("state")["state"] == "Registered"

    offer = httpx.get(peer.links()["deploymentBase"]["href"]).json()
    (artifact,) = offer["deployment"]["chunks"][0]["artifacts"]
    assert artifact["filename"] == image.name
    assert artifact["size"] == image.stat().st_size
    body = httpx.get(artifact["_links"]["download"]["href"]).content
    assert hashlib.sha1(body).hexdigest() == artifact["hashes"]["sha1"]
    assert body == image.read_bytes()

    peer.feedback("proceeding", "none", ["otaru phase=verifying"])
    assert peer.wait("feedback")["details"] == ["otaru phase=verifying"]
    assert peer.wait("state")["state"] == "Running"
    peer.feedback("closed", "success")
    assert peer.wait("state") == {"event": "state", "state": "Finished", "version": "1.1.0+7"}
    assert "deploymentBase" not in peer.links()


def test_a_cut_download_resumes_by_range(start, image):
    peer = start("--registered", "--drop-after", "100000")
    offer = httpx.get(peer.links()["deploymentBase"]["href"]).json()
    url = offer["deployment"]["chunks"][0]["artifacts"][0]["_links"]["download"]["href"]
    body = b""
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", url) as reply:
        for part in reply.iter_raw():
            body += part
    assert peer.wait("download")["dropped"]
    assert len(body) < image.stat().st_size
    rest = httpx.get(url, headers={"Range": f"bytes={len(body)}-"})
    assert rest.status_code == 206
    assert body + rest.content == image.read_bytes()
    assert peer.wait("download", status=206)["range"] == f"bytes={len(body)}-"


def test_a_failed_update_is_reported_and_not_offered_again(start):
    peer = start("--registered")
    assert "deploymentBase" in peer.links()
    peer.feedback("closed", "failure", ["otaru phase=trial reason=confirm-timeout"])
    assert peer.wait("feedback")["finished"] == "failure"
    assert peer.wait("state") == {"event": "state", "state": "Error", "version": None}
    assert "deploymentBase" not in peer.links()


def test_only_the_right_token_is_let_in(start):
    peer = start("--token", "a" * 32)
    assert httpx.get(peer.ddi).status_code == 401
    right = {"Authorization": "TargetToken " + "a" * 32}
    assert httpx.get(peer.ddi, headers=right).status_code == 200


def test_a_missing_image_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, SERVER, "--device", DEVICE, "--version", "1", "--image",
         tmp_path / "none.img"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "none.img" in done.stderr
