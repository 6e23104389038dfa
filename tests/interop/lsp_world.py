"""A manager, a project and its device, all of it real, for editors to work on.

Everything stands in one temporary folder; the programs are the ones that were just built.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 900


class World:
    """A project `lamp` beside a running manager; its device `lamp` is made by `flashed`."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.otaru = os.environ["OTARU"]
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("OTARU_")}
        self.env |= {
            "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_STATE_HOME": str(self.folder / "state"), "XDG_CONFIG_HOME": str(self.folder / "config"),
            "OTARU_CONFIG_DIR": str(self.folder / "otaru"),
            # Shared with other tests, so that the example is not compiled again.
            "OTARU_TARGET_DIR": str(ROOT / "target" / "otaru-demo"),
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
        }
        self.manager = subprocess.Popen(
            [self.otaru, "--json", "manager", "serve", "--listen", "127.0.0.1:0",
             "--data", str(self.folder / "manager")],
            env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.manager.stdout.readline())["url"]
        self.project = self.folder / "lamp"
        self.run("new", "lamp")
        self.replace("Otaru.toml", "http://127.0.0.1:8480", self.url)
        shutil.copy(ROOT / "Cargo.lock", self.project / "Cargo.lock")

    def run(self, *arguments):
        """The command line, which has to succeed."""
        done = subprocess.run([self.otaru, "--yes", *arguments], env=self.env, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE_S,
                              cwd=self.project if self.project.exists() else self.folder)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def flashed(self):
        """Brings the device to where an update can begin; quick if it is there."""
        self.run("flash")
        self.run("provision")
        for _ in range(1000):
            if self.is_online():
                return
        raise AssertionError("the device never came online: " + self.run("device", "list"))

    def is_online(self):
        rows = [json.loads(line) for line in self.run("--json", "device", "list").splitlines()]
        return any(row.get("type") == "device" and row["manager"] == "online" for row in rows)

    def replace(self, file, old, new):
        path = self.project / file
        text = path.read_text()
        assert old in text, f"no {old!r} in {file}"
        path.write_text(text.replace(old, new, 1))

    def close(self):
        subprocess.run([self.otaru, "device", "stop"], env=self.env, cwd=self.project,
                       capture_output=True, stdin=subprocess.DEVNULL)
        self.manager.send_signal(signal.SIGTERM)
        self.manager.wait(timeout=PATIENCE_S)
