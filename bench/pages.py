"""The tag page from the index, against asking the registry for every row.

100 rows of a repository with 2,000 tags. The page is timed by the server itself, from the
request's arrival until its answer is handed over (its log says so for each request), and
from the outside, over one kept connection. The other side fetches manifest and config of
the same 100 tags over one kept connection, as a server without an index would have to
before it could draw the page, from a registry that asks for no password: one that does is
slower still.
"""

from __future__ import annotations

import http.client
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench.figures import Figure, quantile
from demo import content
from demo.builds import builds
from demo.plant import Planter
from demo.registry_process import RegistryProcess
from demo.server import ServerProcess

ROWS: Final = 100
TAGS: Final = 2000
_PAGES_TIMED: Final = 150
_FETCHES_TIMED: Final = 5
_WARM_UP: Final = 30
_P95_GOAL: Final = 0.015
_FASTER_GOAL: Final = 50
_SORTS: Final = ("-version", "version", "name", "-created", "created", "-size")
_PATH: Final = f"/r/bench/{content.BUILDS}"
_ACCEPT: Final = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


class Connection:
    """One kept connection that reads whole answers."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._headers = dict(headers)

    def get(self, path: str) -> bytes:
        """The body. Raises `RuntimeError` for anything but 200."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body


def figures() -> Iterator[Figure]:
    """Starts a registry and a server, crawls once, and times both ways to the same page."""
    with tempfile.TemporaryDirectory() as folder, RegistryProcess(Path(folder) / "registry") as registry:
        planter = Planter(registry.storage)
        for tag, sample in builds(TAGS):
            planter.plant(content.BUILDS, tag, sample)
        with ServerProcess(Path(folder) / "kubedash", password="only for this bench") as server:
            server.connect({"name": "bench", "title": "Bench", "url": registry.url})
            began = time.perf_counter()
            job = server.sync("bench")
            if job["state"] != "done":
                raise RuntimeError(f"the crawl ended as {job}")
            yield Figure(f"first crawl of {TAGS:,} tags, through the API", f"{time.perf_counter() - began:.1f} s")
            yield from _compare(server, registry)


def _compare(server: ServerProcess, registry: RegistryProcess) -> Iterator[Figure]:
    pages = Connection(server.url, {"Authorization": f"Bearer {server.token()}", "Accept": "text/html"})
    for sort in _SORTS:
        path = f"{_PATH}?sort={sort}"
        outside = times(lambda path=path: pages.get(path), _WARM_UP, _PAGES_TIMED)  # type: ignore[misc]
        inside = server_times(server, _PATH, _PAGES_TIMED)
        middle, tail = quantile(inside, 0.5), quantile(inside, 0.95)
        measured = f"p50 {_ms(middle)}, p95 {_ms(tail)}; from outside p50 {_ms(quantile(outside, 0.5))}"
        yield Figure(f"tag page of {ROWS} rows, `sort={sort}`", measured, f"p95 ≤ {_ms(_P95_GOAL)}", tail <= _P95_GOAL)
    tags = _first_rows(server)
    asked = Connection(registry.url, {"Accept": _ACCEPT})
    fetching = quantile(times(lambda: _fetch_rows(asked, tags), 1, _FETCHES_TIMED), 0.5)
    outside = times(lambda: pages.get(_PATH), _WARM_UP, _PAGES_TIMED)
    inside = server_times(server, _PATH, _PAGES_TIMED)
    yield Figure(f"manifest and config of those {len(tags)} rows from the registry", f"p50 {_ms(fetching)}")
    faster = fetching / quantile(inside, 0.5)
    whole = fetching / quantile(outside, 0.5)
    measured = f"{faster:.0f} ×; {whole:.0f} × as seen from outside, with 170 KB handed over"
    yield Figure("the page is faster by", measured, f"≥ {_FASTER_GOAL} ×", faster >= _FASTER_GOAL)


def server_times(server: ServerProcess, path: str, last: int) -> list[float]:
    """What the server says it took for the last pages at that path, in seconds."""
    logged = rf'"path": "{re.escape(path)}", "status": 200, "milliseconds": ([0-9.]+)'
    found = re.findall(logged, server.log.read_text(errors="replace"))
    if len(found) < last:
        raise RuntimeError(f"the log tells of {len(found)} pages, {last} were asked for")
    return [float(milliseconds) / 1000 for milliseconds in found[-last:]]


def times(work: Callable[[], object], warm_up: int, rounds: int) -> list[float]:
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def _first_rows(server: ServerProcess) -> list[str]:
    rows = server.api("GET", f"/registries/bench/tags?repository={content.BUILDS}&limit={ROWS}")
    return [row["name"] for row in rows["items"]]


def _fetch_rows(registry: Connection, tags: list[str]) -> None:
    """What a dashboard without an index does for each row; an index's first child stands for it."""
    for tag in tags:
        manifest = json.loads(registry.get(f"/v2/{content.BUILDS}/manifests/{tag}"))
        if "manifests" in manifest:
            child = manifest["manifests"][0]["digest"]
            manifest = json.loads(registry.get(f"/v2/{content.BUILDS}/manifests/{child}"))
        registry.get(f"/v2/{content.BUILDS}/blobs/{manifest['config']['digest']}")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
