"""How many webhook posts a second are taken, each of one event and durable before its answer.

wrk posts distinct events over 128 connections for a minute, as a registry writes them,
while a hundred viewers follow them live. Load generator, server, viewers and database
share the processors of this machine. Beside it stands what the store itself takes in
batches of 1,000, with nothing in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from bench.figures import Figure
from demo.server import ServerProcess
from kubedash.storage import event_writing
from kubedash.storage.database import Database, upgrade
from tests.support.databases import PostgresServer
from tests.support.events import row

SECONDS: Final = int(os.environ.get("BENCH_SECONDS", "60"))
CONNECTIONS: Final = 128
VIEWERS: Final = 100
TOGETHER: Final = 1_000
LIMIT_SECONDS: Final = 5.0
LEAST: Final = 3_000
GOAL: Final = 5_000
LONGEST_ANSWER: Final = 200.0
PASSWORD: Final = "only for this bench"
_POSTGRES: Final = ("shared_buffers=256MB", "max_wal_size=4GB", "fsync=on", "full_page_writes=on")
_UNITS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_SCRIPT: Final = r"""
local count, thread = 0, 0
function setup(each) each:set("id", thread); thread = thread + 1 end
local actions = { "pull", "pull", "pull", "push", "pull", "delete" }
local headers = { ["Content-Type"] = "application/vnd.docker.distribution.events.v1+json" }
local body = [[{
   "events": [
      {
         "id": "%s",
         "timestamp": "%s.%09dZ",
         "action": "%s",
         "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": 1234,
            "digest": "sha256:%064x",
            "length": 1234,
            "repository": "team%d/service-%d",
            "url": "http://registry.example.com:5000/v2/team/service/manifests/sha256:0123",
            "tag": "1.%d.0"
         },
         "request": {
            "id": "5b1f1d6a-6b31-4d4b-8f57-2a3c5a3ed0c1",
            "addr": "10.0.%d.%d:41234",
            "host": "registry.example.com:5000",
            "method": "GET",
            "useragent": "docker/27.3.1 go/go1.22.7 git-commit/41ca978 kernel/6.1.0"
         },
         "actor": { "name": "ci-%d" },
         "source": { "addr": "registry-0:5000", "instanceID": "c27c8aa6-8d42-4f71-a1d0-13b0d0f1c0a1" }
      }
   ]
}]]
request = function()
  count = count + 1
  local n = count
  local event = string.format("%d-%d-%d", id, START, n)
  return wrk.format("POST", nil, headers, string.format(body, event, os.date("!%Y-%m-%dT%H:%M:%S"), n % 1000000000,
    actions[n % 6 + 1], n % 5000, n % 40, n % 500, n % 30, n % 256, n % 250, n % 25))
end
"""


def figures() -> Iterator[Figure]:
    """Raises `RuntimeError` where wrk is missing or a post was refused."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="kubedash-bench-") as folder:
        yield from _of("SQLite", Path(folder), "", None)
    # The tests' server trusts the operating system to write; this one waits for the disk.
    with PostgresServer(*_POSTGRES) as postgres, tempfile.TemporaryDirectory(prefix="kubedash-bench-") as folder:
        for name in ("bench", "bare"):
            postgres.execute(f"CREATE DATABASE {name}")
        yield from _of("PostgreSQL", Path(folder), postgres.url("bench"), postgres)


def _of(kind: str, folder: Path, url: str, postgres: PostgresServer | None) -> Iterator[Figure]:
    bare = postgres.url("bare") if postgres else str(folder / "bare.db")
    limit = asyncio.run(_store_limit(bare))
    before = _seconds_of(_family(postgres.pid)) if postgres else 0.0
    found = _posted(folder, url)
    rate, tail = found["rate"], found["p99"]
    yield Figure(
        f"{kind}: posts of one event a second, {SECONDS} s, {CONNECTIONS} connections, {VIEWERS} live viewers",
        f"{rate:,.0f}",
        f"≥ {LEAST:,}, better {GOAL:,}",
        rate >= LEAST,
    )
    answers = f"p50 {found['p50']:.0f} ms, p99 {tail:.0f} ms"
    yield Figure(f"{kind}: answers", answers, f"p99 ≤ {LONGEST_ANSWER:.0f} ms", tail <= LONGEST_ANSWER)
    lost = found["answered"] - found["kept"]
    yield Figure(
        f"{kind}: posts answered with 200, and events in the store",
        f"{found['answered']:,} and {found['kept']:,}",
        "none lost",
        lost <= 0,
    )
    yield Figure(
        f"{kind}: the store itself, batches of {TOGETHER:,}, each waited for",
        f"{limit:,.0f} events a second; by posts {rate / limit:.2f} of it",
    )
    micro = 1e6 / max(1, found["answered"])
    database = (
        f", database {(_seconds_of(_family(postgres.pid)) - before) * micro:.0f} µs"
        if postgres and postgres.pid
        else ""
    )
    shares = f"server {found['server'] * micro:.0f} µs, wrk {found['wrk'] * micro:.0f} µs{database}"
    yield Figure(f"{kind}: processor time of one post; {os.cpu_count()} processors are what bounds it", shares)
    yield Figure(f"{kind}: messages that a viewer heard", f"{found['heard'] / VIEWERS:.0f}")


async def _store_limit(url: str) -> float:
    """Events a second that the store takes, durably, in batches."""
    await upgrade(url)
    database = await Database.open(url)
    try:
        async with database.write() as session:
            source = await event_writing.source_of(session, None)
        now = datetime.now(UTC)
        batch = [row(source, number, now, received=now) for number in range(TOGETHER)]
        written, began = 0, time.perf_counter()
        while time.perf_counter() - began < LIMIT_SECONDS:
            rows = [values | {"event_id": f"{written}-{number}"} for number, values in enumerate(batch)]
            await database.write_for_good(partial(event_writing.add, rows=rows))
            written += TOGETHER
        return written / (time.perf_counter() - began)
    finally:
        await database.close()


def _posted(folder: Path, url: str) -> dict[str, Any]:
    script = folder / "posts.lua"
    script.write_text(_SCRIPT.replace("START", str(int(time.time()))))
    settings = {"KUBEDASH_DATABASE_URL": url, "KUBEDASH_LOG_LEVEL": "warning", "KUBEDASH_EVENTS_RATE": "0"}
    with ServerProcess(folder / "data", password=PASSWORD, settings=settings) as server:
        with _viewers(server) as heard:
            busy, wrk_before = _seconds_of([server.pid or 0]), resource.getrusage(resource.RUSAGE_CHILDREN)
            command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(script)]
            address = f"{server.url}/plugins/registry/events"
            output = subprocess.run([*command, address], capture_output=True, text=True, check=True).stdout
            wrk = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = _seconds_of([server.pid or 0]) - busy
        found = _read(output)
        if "Non-2xx" in output:
            raise RuntimeError(output)
    kept = asyncio.run(_count(url or str(folder / "data/kubedash.sqlite")))
    seconds = wrk.ru_utime + wrk.ru_stime - wrk_before.ru_utime - wrk_before.ru_stime
    return {**found, "kept": kept, "heard": heard[0], "server": spent, "wrk": seconds}


def _read(output: str) -> dict[str, float]:
    print(output, file=sys.stderr)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    answered = re.search(r"(\d+) requests in", output)
    latencies = {share: float(number) * _UNITS[unit] for share, number, unit in _LATENCY.findall(output)}
    if rate is None or answered is None:
        raise RuntimeError(output)
    return {"rate": float(rate[1]), "answered": int(answered[1]), "p50": latencies["50"], "p99": latencies["99"]}


_LATENCY: Final = re.compile(r"(50|99)%\s+([\d.]+)(us|ms|s)")


async def _count(url: str) -> int:
    database = await Database.open(url)
    try:
        async with database.read() as session:
            return int(await session.scalar(text("SELECT count(*) FROM event")))
    finally:
        await database.close()


@contextlib.contextmanager
def _viewers(server: ServerProcess) -> Iterator[list[int]]:
    """A hundred open pages' live streams, in a thread; the list holds how many messages they heard."""
    tokens = [server.token()]
    server.api("POST", "/users", {"name": "second", "role": "viewer", "password": PASSWORD})
    tokens.append(server.api("POST", "/tokens", {"name": "bench", "user": "second"})["secret"])
    heard, loop = [0], asyncio.new_event_loop()

    async def view(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"GET /-/live?topic=events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens[number % 2]}\r\n\r\n"
        writer.write(head.encode())
        while line := await reader.readline():
            heard[0] += line.startswith(b"event: change")

    async def view_all() -> None:
        await asyncio.gather(*(view(number) for number in range(VIEWERS)), return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(view_all(), loop)
    try:
        yield heard
    finally:
        asyncio.run_coroutine_threadsafe(_end_others(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _end_others() -> None:
    """Every other task of this loop, waited for."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _family(pid: int | None) -> list[int]:
    """A process and its children."""
    if pid is None:
        return []
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _seconds_of(pids: Sequence[int]) -> float:
    """Processor seconds that processes have used, with those of their ended children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
