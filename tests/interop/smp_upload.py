"""Uploads an image over a serial port with smpclient, through whatever happens to the device.

Prints one JSON object a line: `offset` where an upload begins or goes on, `lost` when the device
does not answer any more, `verified` when it has the image; a line on the standard input then makes
it reset the device. At the end comes `uploaded`, `refused` or `silent`: nobody speaks SMP any more.
Exit code 2 means refused, 3 silent.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from smpclient import SMPClient
from smpclient.exceptions import SMPBadSequence, SMPUploadError
from smpclient.requests.os_management import EchoWrite, ResetWrite
from smpclient.transport.serial import SMPSerialTransport


def say(**line):
    print(json.dumps(line), flush=True)


async def upload(options, image, answered):
    """Uploads once and resets the device; `answered` is called once it has answered anything."""
    async with SMPClient(SMPSerialTransport(), options.port, options.answer_s) as client:
        echo = await client.request(EchoWrite(d="otaru"))
        if echo.r != "otaru":
            raise SMPUploadError(echo)
        answered()
        first = True
        async for offset in client.upload(image, first_timeout_s=options.answer_s,
                                          subsequent_timeout_s=options.answer_s):
            if first:
                say(event="offset", off=offset)
                first = False
        say(event="verified")
        if sys.stdin.readline():
            await client.request(ResetWrite())


async def run(options):
    image = options.image.read_bytes()
    silent = 0
    while silent < options.tries:
        silent += 1
        answers = []
        try:
            await upload(options, image, lambda: answers.append(True))
        except SMPUploadError as error:
            (response,) = error.args
            say(event="refused", rc=getattr(response, "rc", None),
                text=getattr(response, "rsn", None))
            return 2
        except (TimeoutError, SMPBadSequence) as error:
            say(event="lost", why=type(error).__name__)
        else:
            say(event="uploaded")
            return 0
        if answers:
            silent = 0
    say(event="silent")
    return 3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", required=True)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--answer-s", type=float, default=3, help="how long to wait for an answer")
    parser.add_argument("--tries", type=int, default=3, help="how often nobody may answer")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
