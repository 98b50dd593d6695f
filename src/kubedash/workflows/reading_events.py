"""Reading what a post says: at once what registries send, anything else in a process of its own.

To read five megabytes that somebody made up takes up to some seconds, in which nobody
else's post would be answered: Python reads one thing at a time. So a large post, and one
of many values, goes to another process, which has a low priority, reads one after the
other and may be ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import msgspec

from kubedash.errors import InvalidInput, Unavailable
from kubedash.oci.notifications import Parsed, parse
from kubedash.oci.notifications.values import unreadable

LARGE: Final = 64 * 1024
"""Bytes from which on a post is read aside."""
MANY: Final = 256
"""Commas from which on it is, too: no post has more events than those. Registries' posts have two dozen."""
SECONDS: Final = 20.0
"""After which reading a post is given up; it takes two or three at most."""
_NICENESS: Final = 10
_FIRST_TO_GO: Final = "1000"
"""Where the machine runs out of memory this process is ended, and not the server."""
_LENGTH: Final = 8


class _Asked(msgspec.Struct, frozen=True):
    headers: Mapping[str, str]
    body: bytes


_ASKED: Final = msgspec.msgpack.Decoder(_Asked)
_PARSED: Final = msgspec.msgpack.Decoder(Parsed)


def read(headers: Mapping[str, str], body: bytes) -> Parsed:
    """The events of a post; `headers` by lower-case names."""
    if not body.strip():
        return Parsed(())
    try:
        return parse(headers.get("content-type", ""), headers, body)
    except InvalidInput as error:
        # A refusal would make the registry send it for ever, and nothing else.
        return Parsed((unreadable(body, error.message),))


def takes_long(body: bytes) -> bool:
    """Whether reading it at once would keep others waiting."""
    return len(body) >= LARGE or body.count(b",") > MANY


class Aside:
    """The other process, started when it is first needed. It reads one post at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._process: subprocess.Popen[bytes] | None = None

    async def read(self, headers: Mapping[str, str], body: bytes) -> Parsed:
        """As `read`; what the process cannot read is handed back as unreadable.

        Raises `Unavailable` where there is no such process to be had.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, headers, body)

    async def close(self) -> None:
        """What is being read is read to its end."""
        await asyncio.to_thread(self._thread.shutdown)
        self._end()

    def _read(self, headers: Mapping[str, str], body: bytes) -> Parsed:
        process = self._started()
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _send(process.stdin, msgspec.msgpack.encode(_Asked(headers, body)))
            answer = _receive(process.stdout)
        except OSError:
            answer = None
        finally:
            timer.cancel()
        if answer is None:
            self._end()
            return Parsed((unreadable(body, "reading it took too much time or memory"),))
        return _PARSED.decode(answer)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            try:
                self._process = subprocess.Popen(  # noqa: S603 (this module)
                    [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            except OSError as error:
                raise Unavailable(f"Cannot start a process: {error.strerror}.", hint="Send it again.") from error
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError):
                process.communicate()


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(len(message).to_bytes(_LENGTH, "big"))
    stream.write(message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """None where the other side has gone."""
    length = int.from_bytes(stream.read(_LENGTH), "big")
    message = stream.read(length)
    return message if length and len(message) == length else None


def main() -> None:
    """The other process: it ends when the server has gone."""
    os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
    for number in (signal.SIGINT, signal.SIGTERM):
        # They are meant for the server, which ends in order.
        signal.signal(number, signal.SIG_IGN)
    while (message := _receive(sys.stdin.buffer)) is not None:
        asked = _ASKED.decode(message)
        _send(sys.stdout.buffer, msgspec.msgpack.encode(read(asked.headers, asked.body), enc_hook=str))


if __name__ == "__main__":
    main()
