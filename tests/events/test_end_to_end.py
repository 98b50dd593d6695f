"""Debian's registry with the seed's block tells `kubedash serve` all, and lists, counts and receivers follow."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from demo import push
from demo.registry_process import RegistryProcess
from demo.server import ServerProcess
from tests.events.told import ask
from tests.support.aio import eventually, run
from tests.support.scripted import scripted
from tests.sync import content

NAME = "team/app"


def _look(folder: Path, question: str) -> list[tuple[Any, ...]]:
    """Straight into the store: to open a page would ask for a refresh."""
    with closing(sqlite3.connect(f"file:{folder / 'kubedash.sqlite'}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


@pytest.mark.timeout(180)
def test_pushes_pulls_and_deletions_arrive_where_people_look(tmp_path: Path) -> None:
    first, second = content.image(1), content.built(2)
    sent: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        sent.append(await request.json())
        return web.Response()

    async def story() -> None:
        settings = {"KUBEDASH_SYNC_INTERVAL": "0", "DELETE_IMAGES": "true"}
        async with scripted(receive) as sink:
            with ServerProcess(tmp_path / "data", password="a password for tests", settings=settings) as house:
                endpoint = {"name": "kubedash", "url": f"{house.url}/plugins/registry/events", "timeout": "1s"}
                endpoint |= {"threshold": 5, "backoff": "1s", "ignoredmediatypes": ["application/octet-stream"]}
                with RegistryProcess(tmp_path / "registry", notifications=[endpoint]) as registry:
                    await asyncio.to_thread(_play, house, registry, sink.url)

    def _play(house: ServerProcess, registry: RegistryProcess, sink: str) -> None:
        house.connect({"name": "main", "title": "Main", "url": registry.url})
        house.api("POST", "/forwards", {"name": "sink", "url": sink, "actions": ["delete"]})

        async def shows(wanted: dict[str, str]) -> bool:
            return dict(_look(house.folder, "SELECT name, digest FROM tag")) == wanted

        push.push(registry.url, NAME, "1.0", first)
        push.push(registry.url, NAME, "latest", second)
        run(eventually(lambda: shows({"1.0": first.digest, "latest": second.digest})))
        ask(registry, "GET", f"{NAME}/manifests/latest")
        ask(registry, "GET", f"{NAME}/manifests/{second.children[0].digest}")

        async def pulled() -> bool:
            return _look(house.folder, "SELECT target, many FROM pull_target ORDER BY target") == [
                ("", 1),
                ("latest", 1),
            ]

        run(eventually(pulled))
        push.push(registry.url, NAME, "latest", first)
        run(eventually(lambda: shows({"1.0": first.digest, "latest": first.digest})))
        push.delete_manifest(registry.url, NAME, first.digest)
        run(eventually(lambda: shows({})))

        async def passed_on() -> bool:
            return len(sent) == 3

        run(eventually(passed_on))

    run(story())
    assert sorted(str(one["event"]["tag"]) for one in sent) == ["1.0", "None", "latest"]
    assert json.dumps(sent).count(first.digest) == 1
