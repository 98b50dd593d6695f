"""The first crawl of a repository with 2,000 tags, against wrk sending the same requests.

wrk fetches manifest and config of the same tags over 64 connections and throws the
answers away: that is what the registry can give on this machine. The crawl verifies,
parses and stores everything while it takes its part of the same processors. Both sides
run in turn, three times; the middle of each counts.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.figures import Figure
from demo.plant import Planter
from demo.push import Sample, make_image, make_layer
from demo.registry_process import RegistryProcess
from kubedash.cli.serve import run_loop
from kubedash.policy.access import SYSTEM
from kubedash.registry.client import RegistryClient
from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows import sync
from kubedash.workflows.connections import client_of
from kubedash.workflows.services import Services

TAGS: Final = 2000
REPOSITORY: Final = "big/tags"
CONNECTIONS: Final = 64
ROUNDS: Final = 3
_WRK_SECONDS: Final = 5
_CONFIG_BYTES: Final = 3500
_COLD_GOAL: Final = 0.6
_WARM_GOAL: Final = 1.0
_SCRIPT: Final = """
local lines = {}
for line in io.lines("%s") do lines[#lines + 1] = line end
local accept = { ["Accept"] = "application/vnd.oci.image.manifest.v1+json" }
local next = 0
request = function()
  next = next %% #lines + 1
  return wrk.format("GET", lines[next], accept)
end
"""


def figures() -> Iterator[Figure]:
    """Raises `RuntimeError` where wrk is missing or a crawl fails."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name, RegistryProcess(Path(name) / "registry") as registry:
        folder = Path(name)
        script = _plant(registry, folder)
        ceilings, colds = [], []
        for number in range(ROUNDS):
            ceilings.append(_ceiling(registry.url, script))
            cold, requests = run_loop(_crawl_twice(folder / f"data-{number}", registry.url))
            colds.append(cold)
        ceiling, cold = statistics.median(ceilings), statistics.median(colds)
    share = cold / ceiling
    yield Figure(
        f"first crawl of {TAGS:,} tags, share of what wrk gets for the same requests",
        f"{share:.2f} ({cold:.0f} of {ceiling:.0f} images a second)",
        f"at least {_COLD_GOAL}",
        share >= _COLD_GOAL,
    )
    yield Figure(
        "next crawl, requests a tag", f"{requests / TAGS:.3f}", f"about {_WARM_GOAL:.0f}", requests <= TAGS + 5
    )


def _plant(registry: RegistryProcess, folder: Path) -> Path:
    planter, paths = Planter(registry.storage), []
    for number in range(TAGS):
        sample = _image(number)
        planter.plant(REPOSITORY, f"1.0.{number}", sample)
        config = json.loads(sample.manifest)["config"]["digest"]
        paths += [f"/v2/{REPOSITORY}/manifests/1.0.{number}", f"/v2/{REPOSITORY}/blobs/{config}"]
    (folder / "paths").write_text("\n".join(paths))
    script = folder / "pairs.lua"
    script.write_text(_SCRIPT % (folder / "paths"))
    return script


def _image(number: int) -> Sample:
    """Two layers, one of them its own, and a config of about 3.5 KB."""
    layers = (make_layer({"base": "the same everywhere"}), make_layer({"app": str(number)}))
    words = {f"org.example.note-{position}": f"{number} {position} ".ljust(60, ".") for position in range(6)}
    environ = [f"VARIABLE_{position}={'x' * 60}" for position in range(28)]
    sample = make_image(layers=layers, labels=words, config={"Env": environ, "Cmd": ["run"]})
    assert len(sample.blobs[0]) < 2 * _CONFIG_BYTES
    return sample


def _ceiling(url: str, script: Path) -> float:
    """Pairs of manifest and config a second."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{_WRK_SECONDS}s", "-s", str(script), url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if found is None or "Non-2xx" in output:
        raise RuntimeError(output)
    return float(found[1]) / 2


async def _crawl_twice(folder: Path, url: str) -> tuple[float, int]:
    """Images a second of the first crawl, and requests of the second one."""
    environ = {
        "KUBEDASH_DATA_DIR": str(folder),
        "KUBEDASH_ADMIN_PASSWORD": "only for this bench",
        "KUBEDASH_REGISTRIES": json.dumps([{"name": "local", "url": url}]),
        "KUBEDASH_REGISTRY_CONCURRENCY": str(CONNECTIONS),
    }
    services = await open_services(load(environ), engine=False)
    try:
        client = await client_of(services, 1)
        seconds, _ = await _timed(services, client)
        _, requests = await _timed(services, client)
    finally:
        await close_services(services)
    return TAGS / seconds, requests


async def _timed(services: Services, client: RegistryClient) -> tuple[float, int]:
    before, began = client.requests, time.perf_counter()
    job = await sync.request_sync(services, SYSTEM, "local")
    async with services.live.subscribe((f"job:{job.id}",)) as messages:
        while job.state in ("queued", "running"):
            await anext(messages)
            job = await sync.job(services, SYSTEM, job.id)
    if job.error:
        raise RuntimeError(job.error)
    return time.perf_counter() - began, client.requests - before
