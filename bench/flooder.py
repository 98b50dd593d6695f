"""Senders as processes of their own: `python -m bench.flooder JSON` prints what became of it as JSON.

What a flooder sends is made beforehand and sent from threads that wait for the kernel, so
that it costs little beside the server that it floods. Each kind of sender has an address
of its own on the loopback network.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, Final

HONEST: Final = "127.0.0.2"
HOSTILE: Final = "127.0.0.66"
TOKEN: Final = "the secret of the senders"
RATE: Final = 400
"""Posts a second of all honest senders: well below what the server takes."""
SENDERS: Final = 20
FLOODS: Final = 4
"""Connections that flood at once."""
LARGE: Final = 5 * 1024 * 1024 - 64
MIDDLE: Final = 60_000
_PATH: Final = "/plugins/registry/events"
_TIMEOUT: Final = 20.0


def event(name: str, **more: Any) -> dict[str, Any]:
    """A push as distribution tells it."""
    return {
        "id": name,
        "timestamp": "2026-02-03T04:05:06.123456789Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": 1234,
            "digest": "sha256:" + "ab" * 32,
            "repository": "team/service",
            "tag": "1.0",
        },
        "request": {"addr": "10.0.0.1:4123", "host": "registry.example.com", "method": "PUT", "useragent": "docker/27"},
        "actor": {"name": "ci"},
        "source": {"addr": "registry:5000", "instanceID": "one"},
        **more,
    }


def _one_huge_text() -> bytes:
    return json.dumps({"events": [event("huge", note="x" * (LARGE - 1000))]}).encode()


def _a_thousand() -> bytes:
    return json.dumps({"events": [event(f"many-{n}", note="x" * 4_600) for n in range(1_000)]}).encode()


def _tiny(size: int) -> bytes:
    return b'{"events":[' + b'{"id":"tiny"},' * (size // 14 - 2) + b"{}]}"


KINDS: Final[dict[str, tuple[Callable[[], bytes], bool]]] = {
    "5 MB, one event with a huge text": (_one_huge_text, True),
    "5 MB, 1,000 events": (_a_thousand, True),
    "5 MB, nested deeply": (lambda: b'{"events":[' + b"[" * (LARGE - 20), True),
    "5 MB, lists within lists": (lambda: b"[" + b"[[]]," * (LARGE // 5 - 2) + b"[]]", True),
    "5 MB of garbage": (lambda: os.urandom(LARGE), True),
    "5 MB, 370,000 tiny events": (lambda: _tiny(LARGE), True),
    "5 MB with a forged secret": (_a_thousand, False),
    "60 KB of garbage": (lambda: os.urandom(MIDDLE), True),
    "60 KB, 4,000 tiny events": (lambda: _tiny(MIDDLE), True),
    "1 KB with a forged secret": (lambda: json.dumps({"events": [event("forged")]}).encode(), False),
}
"""What is sent, and whether with the right secret."""


def flood(port: int, slices: list[tuple[float, float]], kind: str) -> dict[int, int]:
    """Floods in these slices of time; how often which status came, 0 where a connection broke before an answer."""
    make, known = KINDS[kind]
    post = _post(make(), TOKEN if known else "a guess")
    statuses = Counter[int]()
    for began, ended in slices:
        time.sleep(max(0.0, began - time.monotonic()))
        threads = [threading.Thread(target=_flood, args=(port, ended, post, statuses)) for _ in range(FLOODS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return statuses


def _flood(port: int, until: float, post: bytes, statuses: Counter[int]) -> None:
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), _TIMEOUT, (HOSTILE, 0)) as connection:
            status = 200
            while status == 200 and time.monotonic() < until:
                with suppress(OSError):  # Refused without reading on: there may be an answer all the same.
                    connection.sendall(post)
                status = 0
                with suppress(OSError):
                    status = _status_of(connection.recv(65_536))
                statuses[status] += 1


def honest(port: int, began: float, ended: float) -> dict[str, Any]:
    """Registries that post one small event after the other, each at its own times.

    What they posted when, and how long it took from the planned time on: who comes late
    because the last answer was slow is late as well.
    """
    return asyncio.run(_all_honest(port, began, ended))


async def _all_honest(port: int, began: float, ended: float) -> dict[str, Any]:
    posts: list[tuple[float, float]] = []
    statuses: Counter[int] = Counter()
    numbers = count()
    await asyncio.gather(*(_honest(port, times, numbers, posts, statuses) for times in _times(began, ended)))
    return {"posts": posts, "statuses": statuses}


def _times(began: float, ended: float) -> Iterator[list[float]]:
    """When each sender posts, spread evenly."""
    each = SENDERS / RATE
    for sender in range(SENDERS):
        yield [began + sender / RATE + turn * each for turn in range(int((ended - began) / each))]


async def _honest(
    port: int, times: list[float], numbers: Iterator[int], posts: list[tuple[float, float]], statuses: Counter[int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(HONEST, 0))
    for planned in times:
        await asyncio.sleep(max(0.0, planned - time.monotonic()))
        body = json.dumps({"events": [event(f"{os.getpid()}-{next(numbers)}")]}).encode()
        writer.write(_post(body, TOKEN))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        posts.append((planned, time.monotonic() - planned))
        statuses[_status_of(head)] += 1
    writer.close()


def _post(body: bytes, secret: str) -> bytes:
    head = f"POST {_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _status_of(answer: bytes) -> int:
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def main() -> None:
    order = json.loads(sys.argv[1])
    print(json.dumps(flood(**order) if "kind" in order else honest(**order)))


if __name__ == "__main__":
    main()
