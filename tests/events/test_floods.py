"""A sender that floods the webhook fails neither the server nor any other sender."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from bench.flooder import HONEST, KINDS, TOKEN, event, flood, honest
from demo.server import ServerProcess
from kubedash.storage.database import Database
from kubedash.web.bodies import MAX_BODY
from tests.support.databases import DatabaseAt

SECONDS: Final = float(os.environ.get("TEST_FLOOD_SECONDS", "1.5"))
REFUSALS: Final = {200, 401, 408, 413, 429, 503}
BROKEN_OFF: Final = 0
"""Refused without reading on: who is still sending may see the end of the connection first."""


async def _honest_ones(store: Database) -> Counter[str]:
    async with store.read() as session:
        found = await session.scalars(text("SELECT event_id FROM event WHERE sender = :it"), {"it": HONEST})
        return Counter(found)


@pytest.mark.parametrize("kind", KINDS)
def test_no_flood_costs_another_sender_anything(kind: str, tmp_path: Path) -> None:
    settings = {"KUBEDASH_EVENTS_TOKEN": TOKEN, "KUBEDASH_SYNC_INTERVAL": "0", "KUBEDASH_LOG_LEVEL": "warning"}
    with (
        ServerProcess(tmp_path, password="a password of the tests", settings=settings) as server,
        ThreadPoolExecutor() as threads,
    ):
        began = time.monotonic()
        flooding = threads.submit(flood, server.port, [(began, began + SECONDS)], kind)
        posted = honest(server.port, began, began + SECONDS)
        became = flooding.result()
        assert set(became) <= REFUSALS | {BROKEN_OFF}, became
        assert sum(became.values()) > 2
        assert (200 in became) == KINDS[kind][1], became
        assert set(posted["statuses"]) == {200}
        # A large post of somebody else is taken, whatever the flood has used up.
        assert _post(server.port, MAX_BODY - 4096) == 200
        kept = DatabaseAt(str(tmp_path / "kubedash.sqlite"), "sqlite").run(_honest_ones)
        assert len(kept) == len(posted["posts"]) > SECONDS * 100
        assert max(kept.values()) == 1
        assert "bug" not in server.log.read_text()


def _post(port: int, size: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=("127.0.0.3", 0))
    body = json.dumps({"events": [event("large", note="x" * size)]})
    connection.request("POST", "/plugins/registry/events", body, {"Authorization": f"Bearer {TOKEN}"})
    status = connection.getresponse().status
    connection.close()
    return status
