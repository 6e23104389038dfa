"""Drives the third-party update client SWUpdate against a device manager.

    python swupdate_fixture.py make --folder DIR --version 1.1.0 [--size BYTES] [--damaged]
    python swupdate_fixture.py run  --folder DIR --url http://127.0.0.1:8080 --device ID --token T
                                    [--result success|failure] [--timeout-s N]

`make` creates a signing key and a signed `DIR/update.swu` that installs one file, and prints
`{"swu": …, "size": …, "sha256": …}`, the hash being that of the .swu. `--damaged` then flips one bit
of what would be installed: the signature stands, the content does not.

`run` is one whole update of a device that has the key of that folder. SWUpdate polls, downloads,
verifies, installs and then waits for a restart; the restart tells it how the new software does
(`--result`), and it reports that. One JSON object a line on standard output:

    {"event": "online"}                           the manager has answered its first poll
    {"event": "installed", "identical": true}     the installed file is the one that was packed
    {"event": "refused", "errors": […]}           SWUpdate did not install, and reported a failure
    {"event": "reported", "result": "success"}    SWUpdate has closed the action
    {"event": "gave-up", "log": […]}              nothing of this within the time-out

The exit code is 0 after `reported`, 2 after `refused`, 1 otherwise. Neither D-Bus nor a boot loader
nor rights beyond those of the folder are needed. Programs: $OTARU_SWUPDATE, $OTARU_OPENSSL and
$OTARU_CPIO, else those on the search path. `cargo xtask setup swupdate` installs them.
"""

import argparse
import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

# The Debian build of SWUpdate accepts only signed software, for matching hardware.
HARDWARE = ("board", "1.0")
LOG_LINES_KEPT = 40
RESULTS = {"success": "2", "failure": "3"}


def program(name):
    return os.environ.get(f"OTARU_{name.upper()}", name)


def call(*command, folder, **options):
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")


def say(**fields):
    print(json.dumps(fields), flush=True)


def description(version, payload, target):
    """What SWUpdate reads first: what to install where, and its hash."""
    digest = hashlib.sha256(payload).hexdigest()
    return (
        "software =\n{\n"
        f'  version = "{version}";\n'
        f'  hardware-compatibility: [ "{HARDWARE[1]}" ];\n'
        "  files: ( {\n"
        '    filename = "payload.bin";\n'
        f'    path = "{target}";\n'
        f'    sha256 = "{digest}";\n'
        "  } );\n}\n"
    )


def make(options):
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    payload = os.urandom(options.size)
    (folder / "payload.bin").write_bytes(payload)
    text = description(options.version, payload, folder / "installed.bin")
    (folder / "sw-description").write_text(text)
    openssl = program("openssl")
    if not (folder / "key.pem").exists():
        call(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem",
             "-out", "certificate.pem", "-subj", "/CN=otaru-test", "-days", "365",
             "-addext", "extendedKeyUsage=emailProtection", folder=folder)
    call(openssl, "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig",
         "-signer", "certificate.pem", "-inkey", "key.pem", "-outform", "DER", "-nosmimecap",
         "-binary", folder=folder)
    swu = folder / "update.swu"
    with swu.open("wb") as output:
        names = b"sw-description\nsw-description.sig\npayload.bin\n"
        subprocess.run([program("cpio"), "-o", "-H", "crc", "--quiet"], cwd=folder, input=names,
                       stdout=output, check=True)
    content = bytearray(swu.read_bytes())
    if options.damaged:
        content[content.index(payload) + len(payload) // 2] ^= 1
        swu.write_bytes(content)
    say(swu=str(swu), size=len(content), sha256=hashlib.sha256(content).hexdigest())


class Client:
    """One SWUpdate process; ends with the `with` block."""

    def __init__(self, options, folder, *arguments):
        sockets = folder / "sockets"
        sockets.mkdir(exist_ok=True)
        (folder / "swupdate.cfg").write_text(
            "globals :\n{\n  verbose = true;\n};\n"
            "suricatta :\n{\n"
            f'  tenant = "{options.tenant}";\n  id = "{options.device}";\n'
            f'  url = "{options.url}";\n  targettoken = "{options.token}";\n'
            "  polldelay = 1;\n};\n"
            f'identify : (\n  {{ name = "board"; value = "{HARDWARE[0]}"; }}\n);\n'
        )
        self.lines = queue.Queue()
        self.log = []
        self.process = subprocess.Popen(
            [program("swupdate"), "-v", "-k", "certificate.pem", "-f", "swupdate.cfg",
             "-H", ":".join(HARDWARE), "-u", " ".join(arguments)],
            # It creates sockets there; two clients must not share them.
            cwd=folder, env={**os.environ, "TMPDIR": str(sockets)}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def wait(self, signs, deadline):
        """The name of the first sign that a line contains."""
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                say(event="gave-up", log=self.log[-LOG_LINES_KEPT:])
                sys.exit(1)
            self.log.append(line)
            for text, name in signs.items():
                if text in line:
                    return name

    def errors(self):
        return [line for line in self.log if line.startswith("[ERROR]")][-5:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run(options):
    folder = options.folder.resolve()
    deadline = time.monotonic() + options.timeout_s
    installed = folder / "installed.bin"
    installed.unlink(missing_ok=True)
    with Client(options, folder) as client:
        answers = ("No pending action on server", "Update action available")
        client.wait(dict.fromkeys(answers, "online"), deadline)
        say(event="online")
        signs = {"is pending testing": "installed", "Error processing update chunk": "refused"}
        if client.wait(signs, deadline) == "refused":
            # It goes back to polling only after the failure has been reported.
            client.wait({"Suricatta awakened": "idle"}, deadline)
            say(event="refused", errors=client.errors())
            sys.exit(2)
    identical = installed.read_bytes() == (folder / "payload.bin").read_bytes()
    say(event="installed", identical=identical)
    with Client(options, folder, "-c", RESULTS[options.result]) as client:
        client.wait({"entering suricatta main loop": "reported"}, deadline)
    say(event="reported", result=options.result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    maker = commands.add_parser("make", help="create a signed update")
    maker.set_defaults(run=make)
    maker.add_argument("--version", required=True)
    maker.add_argument("--size", type=int, default=300_000, help="bytes to install")
    maker.add_argument("--damaged", action="store_true", help="flip one bit after signing")
    runner = commands.add_parser("run", help="update a device")
    runner.set_defaults(run=run)
    runner.add_argument("--url", required=True, help="of the device manager")
    runner.add_argument("--device", required=True)
    runner.add_argument("--token", required=True, help="target token of the device")
    runner.add_argument("--tenant", default="DEFAULT")
    runner.add_argument("--result", choices=RESULTS, default="success")
    runner.add_argument("--timeout-s", type=float, default=120)
    for command in (maker, runner):
        command.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
