"""Whatever moment the process dies at: every pull counts once, and no push is forgotten."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from demo import push
from demo.push import OCI_INDEX
from demo.registry_process import RegistryProcess
from kubedash.oci.notifications import Notification
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import SYSTEM
from kubedash.records import EventFilter
from kubedash.storage import pulls, repositories
from kubedash.workflows.events import event_stats
from tests.events.told import Listener
from tests.support.aio import run
from tests.support.events import notification
from tests.sync import content
from tests.sync.house import NAME, house
from tests.sync.test_kill import ROOT, environment, wait_for

KILLS = int(os.environ.get("KUBEDASH_TEST_KILLS", "2"))
EVENTS = 12_000
PARTS = 3
NAMES = [f"team/app-{number}" for number in range(5)]


def _start(folder: Path, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.events.worker"],
        env=environment(folder, url),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


async def _tell(folder: Path, url: str) -> Counter[str]:
    """Stores events: pushes among many pulls, every third of them part of another. Pulls of each repository."""
    wanted: Counter[str] = Counter()
    async with house(folder, url) as here:
        listener, now = Listener(here), datetime.now(UTC)
        async with here.services.database.write() as session:
            await repositories.ensure(session, here.registry_id, list(map(RepositoryName, NAMES)), now)
        told = []
        for number in range(EVENTS):
            name = NAMES[number // PARTS % len(NAMES)]
            if number % 1_998 == 0:
                told.append(_of(number, now, name, action="push"))
                continue
            client = {"addr": f"10.0.0.{number // PARTS % 50}:1"}
            if number % PARTS == PARTS - 1:
                part = "sha256:" + f"{number // PARTS % len(NAMES)}" * 64
                told.append(notification(number, now, repository=name, tag=None, digest=part, **client))
                continue
            wanted[name] += 1
            index = {"digest": "sha256:" + "e" * 64, "media_type": OCI_INDEX}
            told.append(_of(number, now, name, **(index if number % PARTS else {}), **client))
        for start in range(0, EVENTS, 1_000):
            await listener.store(*told[start : start + 1_000])
    return wanted


def _of(number: int, now: datetime, name: str, **fields: Any) -> Notification:
    image = content.image(NAMES.index(name))
    return notification(number, now, **{"repository": name, "tag": "1.0", "digest": image.digest, **fields})


async def _counted(folder: Path, url: str) -> tuple[Counter[str], Counter[str], set[str]]:
    """Pulls of each repository in lists and in charts, and which of them have their tag."""
    async with house(folder, url) as here:
        found: Counter[str] = Counter()
        charted: Counter[str] = Counter()
        tagged = set()
        for name in NAMES:
            repository = await here.repository(name)
            async with here.services.database.read() as session:
                counts = await pulls.of_repositories(session, here.registry_id, [repository.id], here.services.clock())
            found[name] = counts[repository.id].days_7
            figures = await event_stats(here.services, SYSTEM, EventFilter(registry=NAME, repository=name))
            charted[name] = figures.totals.pull
            if (await here.digests(name)).keys() == {"1.0"}:
                tagged.add(name)
        return found, charted, tagged


@pytest.mark.timeout(600)
def test_killed_again_and_again_nothing_is_counted_twice_or_forgotten(tmp_path: Path) -> None:
    folder, chance = tmp_path / "data", random.Random(KILLS)
    with RegistryProcess(tmp_path / "registry") as registry:
        for number, name in enumerate(NAMES):
            push.push(registry.url, name, "1.0", content.image(number))
        wanted = run(_tell(folder, registry.url))
        for _ in range(KILLS):
            process = _start(folder, registry.url)
            assert wait_for(process, "open")
            time.sleep(chance.uniform(0.0, 0.5))
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=60)
        last = _start(folder, registry.url)
        assert wait_for(last, "idle")
        last.communicate(timeout=60)
        counted, charted, tagged = run(_counted(folder, registry.url))
    assert counted == charted == wanted
    assert tagged == set(NAMES)
