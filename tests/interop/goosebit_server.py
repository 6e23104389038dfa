"""Runs the third-party device manager goosebit as a peer for an Otaru device.

    python goosebit_server.py --image FILE --version 1.1.0 --device ID [--token T] [--port N]
                              [--folder DIR] [--poll HH:MM:SS] [--drop-after BYTES] [--registered] [--quiet]

goosebit is started unchanged. Its upload accepts only the file formats of two other update clients,
so the image is put in beside it: a row in its table of software that names the file, and the device
row that is assigned to it. Everything that the device then sees comes from goosebit's own handlers.

Standard output is one JSON object a line:

    {"event": "ready", "url": …, "ddi_url": …, "device": …, "action": "1"}
    {"event": "request", "method": …, "path": …, "status": …}        every request of a device
    {"event": "config-data", "data": {…}}
    {"event": "download", "status": …, "range": …, "bytes": …, "dropped": …}
    {"event": "feedback", "action": …, "execution": …, "finished": …, "code": …, "details": […]}
    {"event": "state", "state": "Registered" | "Running" | "Error" | "Finished", "version": …}

`state` is what goosebit's own table says after each accepted feedback and configuration data; its
`version` is the one that goosebit believes the device runs. Logs go to standard error. The program
ends with exit code 0 on SIGTERM, SIGINT, and when its standard input ends (give it a pipe, and it
cannot outlive its parent).
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

# A feedback or configuration message of a device is far below this; more is not kept.
BODY_MAX_BYTES = 1 << 20


class Dropped(Exception):
    """Ends a download early, as a lost connection does."""


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, required=True, help="file that the device is offered")
    parser.add_argument("--version", required=True, help="its version, as goosebit should name it")
    parser.add_argument("--device", required=True, help="id of the device that it is assigned to")
    parser.add_argument("--token", help="target token that the device has to present")
    parser.add_argument("--port", type=int, default=0, help="0, the default: any free one")
    parser.add_argument("--folder", type=Path, help="for its database; default: a temporary one")
    parser.add_argument("--poll", default="00:00:01", help="polling interval it asks for")
    parser.add_argument("--drop-after", type=int, metavar="BYTES",
                        help="cut the connection of the first download after so many bytes")
    parser.add_argument("--registered", action="store_true",
                        help="the device is known already: it is offered the update at its first "
                             "poll, and not asked for configuration data")
    parser.add_argument("--quiet", action="store_true",
                        help="print nothing after `ready`, as for a measurement")
    return parser.parse_args(argv)


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def configure(options, folder):
    """goosebit reads its settings from the environment when it is imported."""
    os.environ.update(
        GOOSEBIT_DB_URI=f"sqlite://{folder / 'db.sqlite3'}",
        GOOSEBIT_ARTIFACTS_DIR=str(folder / "artifacts"),
        GOOSEBIT_POLL_TIME=options.poll,
        GOOSEBIT_TENANT="DEFAULT",
    )
    if options.token:
        os.environ["GOOSEBIT_DEVICE_AUTH__ENABLE"] = "true"
        os.environ["GOOSEBIT_DEVICE_AUTH__MODE"] = "strict"
    # It would pick up a settings file from the current folder.
    os.chdir(folder)


async def prepare(options):
    """Creates the tables, the software and the device, and returns the action id."""
    from goosebit.db.config import TORTOISE_CONF
    from goosebit.db.models import (
        Device, Hardware, Software, UpdateModeEnum, UpdateStateEnum,
    )
    from tortoise import Tortoise

    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas(safe=True)
    image = options.image
    # A device that says nothing about its hardware is of this kind.
    hardware, _ = await Hardware.get_or_create(model="default", revision="default")
    software = await Software.create(
        uri=image.as_uri(),
        size=image.stat().st_size,
        hash=hashlib.sha1(image.read_bytes()).hexdigest(),
        version=options.version,
    )
    await software.compatibility.add(hardware)
    state = UpdateStateEnum.REGISTERED if options.registered else UpdateStateEnum.UNKNOWN
    await Device.create(
        id=options.device,
        hardware=hardware,
        assigned_software=software,
        update_mode=UpdateModeEnum.ASSIGNED,
        auth_token=options.token,
        last_state=state,
    )
    await Tortoise.close_connections()
    return str(software.id)


class Watch:
    """Reports what passes between the device and goosebit, and changes none of it."""

    def __init__(self, app, options):
        self.app = app
        self.device = options.device
        self.drop_after = options.drop_after
        self.quiet = options.quiet

    async def __call__(self, scope, receive, send):
        prefix = f"/DEFAULT/controller/v1/{self.device}"
        path = scope.get("path", "")
        if self.quiet or scope["type"] != "http" or not path.startswith(prefix):
            await self.app(scope, receive, send)
            return
        exchange = Exchange(path.removeprefix(prefix).strip("/"), scope, self)

        async def watched_receive():
            message = await receive()
            if message["type"] == "http.request":
                exchange.received(message.get("body", b""))
            return message

        async def watched_send(message):
            await exchange.sending(message)
            await send(message)

        try:
            await self.app(scope, watched_receive, watched_send)
        finally:
            await exchange.finished()


class Exchange:
    """One request of the device and its reply."""

    def __init__(self, rest, scope, watch):
        self.rest = rest
        self.watch = watch
        self.path = scope["path"]
        self.method = scope["method"]
        headers = {name.lower(): value for name, value in scope["headers"]}
        self.range = headers.get(b"range", b"").decode("latin-1") or None
        self.body = b""
        self.status = None
        self.sent = 0
        self.dropped = False

    @property
    def is_download(self):
        return self.rest == "download" and self.method == "GET"

    def received(self, part):
        self.body = (self.body + part)[:BODY_MAX_BYTES]

    async def sending(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.sent += len(message.get("body", b""))
        limit = self.watch.drop_after
        if self.is_download and limit is not None and self.sent > limit:
            self.watch.drop_after = None
            self.dropped = True
            raise Dropped(f"connection cut after {limit} bytes, as asked")

    async def finished(self):
        say("request", method=self.method, path=self.path, status=self.status)
        if self.is_download:
            say("download", status=self.status, range=self.range, bytes=self.sent,
                dropped=self.dropped)
        if self.method not in ("POST", "PUT") or self.status != 200:
            return
        try:
            self.report(json.loads(self.body))
        except (ValueError, KeyError, TypeError) as error:
            print(f"cannot report {self.path}: {error!r}", file=sys.stderr)
        await self.report_state()

    def report(self, message):
        if self.rest == "configData":
            say("config-data", data=message["data"])
        elif self.rest.endswith("/feedback"):
            status = message["status"]
            result = status.get("result", {})
            say("feedback", action=self.rest.split("/")[1], execution=status["execution"],
                finished=result.get("finished"), progress=result.get("progress"),
                code=status.get("code"), details=status.get("details") or [])

    async def report_state(self):
        from goosebit.db.models import Device

        device = await Device.get(id=self.watch.device)
        say("state", state=str(device.last_state), version=device.sw_version)


def stop_with_parent(server):
    """Ends the server when standard input ends."""
    loop = asyncio.get_running_loop()

    def readable():
        if not os.read(0, 4096):
            loop.remove_reader(0)
            server.should_exit = True

    # Standard input may be a file or /dev/null, which cannot be waited for.
    with contextlib.suppress(OSError, PermissionError):
        if not os.isatty(0):
            loop.add_reader(0, readable)


async def serve(options):
    action = await prepare(options)
    import goosebit
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", options.port))
    except OSError as error:
        sys.exit(f"cannot listen on port {options.port}: {error.strerror}; choose another --port")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(Watch(goosebit.app, options), log_level="warning", lifespan="on",
                            timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(
            number, lambda: setattr(server, "should_exit", True))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    if server.started:
        stop_with_parent(server)
        ddi = f"{url}/DEFAULT/controller/v1/{options.device}"
        say("ready", url=url, ddi_url=ddi, device=options.device, action=action)
    await running


def main():
    options = arguments()
    options.image = options.image.resolve()
    if not options.image.is_file():
        sys.exit(f"there is no image {options.image}; give the signed image with --image")
    with tempfile.TemporaryDirectory(prefix="otaru-goosebit-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "db.sqlite3").exists():
            sys.exit(f"{folder} holds a database already; give an empty --folder")
        configure(options, folder)
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
