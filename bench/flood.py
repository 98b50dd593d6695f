"""Whether one sender of webhooks slows the others: honest posts alone, and beside a flood of each kind.

Twenty honest senders post 400 events a second, far below what the server takes. Now and
then four connections of another address send what they can without pause, at the lowest
priority as they share the processors. With the flood and without it are measured in
turns, in one run; what counts is the turn in the middle, as other work on the machine
disturbs some, and the worst is told beside it. What the flood may send at once is sent
in its first turn.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.events import PASSWORD
from bench.figures import Figure, quantile
from bench.flooder import KINDS, TOKEN
from demo.server import ServerProcess

SECONDS: Final = float(os.environ.get("BENCH_FLOOD_SECONDS", "2"))
"""Of a turn."""
TURNS: Final = 9
LEAST_SHARE: Final = 0.9
MOST_TIMES: Final = 2.0
_GOAL: Final = f"≥ {LEAST_SHARE} of the rate, p99 ≤ {MOST_TIMES:.0f} ×"
_SETTLE: Final = 0.5
"""Seconds at the beginning of a turn that do not count."""
_SOON: Final = 3.0
Slice = tuple[float, float]


class Seen(NamedTuple):
    """What honest senders saw."""

    rate: float
    p50: float
    p99: float
    worst: float
    """p99 of the worst turn."""

    def __str__(self) -> str:
        return f"{self.rate:.0f} a second, p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms (at worst {self.worst:.0f} ms)"


def figures() -> Iterator[Figure]:
    """Raises `RuntimeError` where an honest post was refused, or a flood failed the server."""
    settings = {"KUBEDASH_EVENTS_TOKEN": TOKEN, "KUBEDASH_LOG_LEVEL": "warning", "KUBEDASH_SYNC_INTERVAL": "0"}
    for kind in KINDS:
        with (
            tempfile.TemporaryDirectory(prefix="kubedash-bench-") as folder,
            ServerProcess(Path(folder), password=PASSWORD, settings=settings) as server,
        ):
            yield _beside(server.port, kind)


def _beside(port: int, kind: str) -> Figure:
    began = time.monotonic() + _SOON
    edges = [began + turn * SECONDS for turn in range(2 * TURNS + 1)]
    slices = list(itertools.pairwise(edges))
    quiet, flooded = slices[::2], slices[1::2]
    flood = _sender({"port": port, "slices": flooded, "kind": kind}, "nice", "-n", "19")
    found = _told(_sender({"port": port, "began": began, "ended": edges[-1]}))
    became = _told(flood)
    if set(found["statuses"]) != {"200"} or any(status in became for status in ("500", "502")):
        raise RuntimeError(f"honest posts: {found['statuses']}, the flood: {became}")
    alone, beside = _seen(found["posts"], quiet), _seen(found["posts"], flooded)
    share, times = beside.rate / alone.rate, beside.p99 / alone.p99
    statuses = ", ".join(f"{number:,} × {status}" for status, number in sorted(became.items()))
    measured = f"{share:.2f} of the rate, p99 {times:.1f} ×: {beside}; alone {alone}; flood: {statuses}"
    holds = share >= LEAST_SHARE and times <= MOST_TIMES
    return Figure(f"honest posts beside a flood of {kind}", measured, _GOAL, holds)


def _seen(posts: Sequence[Slice], slices: Sequence[Slice]) -> Seen:
    turns = []
    for began, ended in slices:
        took = [seconds * 1000 for planned, seconds in posts if began + _SETTLE <= planned < ended]
        answered = sum(began + _SETTLE <= planned + seconds < ended for planned, seconds in posts)
        turns.append((answered / (SECONDS - _SETTLE), quantile(took, 0.5), quantile(took, 0.99)))
    rates, halves, tails = zip(*turns, strict=True)
    return Seen(sum(rates) / len(rates), median(halves), median(tails), max(tails))


def _sender(order: Mapping[str, Any], *before: str) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, "-m", "bench.flooder", json.dumps(order)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _told(sender: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What it printed, when it has ended."""
    with sender:
        found: dict[str, Any] = json.loads(sender.communicate()[0])
    return found
