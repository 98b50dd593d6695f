"""A crawl survives the death of its process, at any moment, as often as it happens."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.registry_process import RegistryProcess
from kubedash.policy.access import SYSTEM
from kubedash.settings import load
from kubedash.wiring import close_services, open_services
from kubedash.workflows import sync
from tests.support.aio import run
from tests.sync import content
from tests.sync.picture import jobs, picture

KILLS = int(os.environ.get("KUBEDASH_TEST_KILLS", "4"))
ROOT = Path(__file__).resolve().parents[2]


def environment(folder: Path, url: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode"),
        "KUBEDASH_DATA_DIR": str(folder),
        "KUBEDASH_REGISTRIES": json.dumps([{"name": "local", "url": url}]),
        "KUBEDASH_SYNC_INTERVAL": "0",
        "KUBEDASH_REGISTRY_CONCURRENCY": "2",
    }


def start(folder: Path, url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sync.worker", *words],
        env=environment(folder, url),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], word: str) -> bool:
    assert process.stdout is not None
    return any(line.strip() == word for line in process.stdout)


def _done(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


async def crawl_from_scratch(folder: Path, url: str) -> None:
    services = await open_services(load(environment(folder, url)), engine=False)
    try:
        job = await sync.request_sync(services, SYSTEM, "local")
        while job.state in ("queued", "running"):
            await asyncio.sleep(0.05)
            job = await sync.job(services, SYSTEM, job.id)
        assert job.state == "done", job
    finally:
        await close_services(services)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path / "registry") as process:
        content.plant(process.storage, content.everything())
        yield process


@pytest.mark.timeout(600)
def test_killed_again_and_again_the_index_is_that_of_a_crawl_from_scratch(
    registry: RegistryProcess, tmp_path: Path
) -> None:
    folder, chance = tmp_path / "killed", random.Random(KILLS)
    for round_ in range(KILLS):
        process = start(folder, registry.url, *(["ask"] if round_ == 0 else []))
        assert wait_for(process, "open")
        time.sleep(chance.uniform(0.0, 1.2))
        os.killpg(process.pid, signal.SIGKILL)
        _done(process)
    last = start(folder, registry.url)
    assert wait_for(last, "idle")

    assert _done(last) == 0

    run(crawl_from_scratch(tmp_path / "scratch", registry.url))
    killed, scratch = picture(folder), picture(tmp_path / "scratch")
    for part in scratch:
        assert killed[part] == scratch[part], part
    assert jobs(folder) == [("sync_registry", "SUCCESS")]
