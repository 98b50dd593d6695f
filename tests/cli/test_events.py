"""`kubedash events`: what was told, and what is being told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from litestar.testing import TestClient

from kubedash import wiring
from kubedash.settings import Settings, load
from kubedash.web.app import create_app
from kubedash.workflows.services import Services
from tests.cli.conftest import Terminal
from tests.support.events import CONTENT_TYPE, envelope, told

SECONDS = 60


def _post(terminal: Terminal, *events: Any) -> None:
    async def without_engine(settings: Settings) -> Services:
        return await wiring.open_services(settings, engine=False)

    settings = load({"KUBEDASH_DATA_DIR": str(terminal.folder)})
    with TestClient(create_app(settings, without_engine), base_url="http://kubedash.test") as client:
        answer = client.post(
            "/plugins/registry/events/main", content=envelope(*events), headers={"Content-Type": CONTENT_TYPE}
        )
        assert answer.status_code == 200, answer.text


def test_events_are_shown_oldest_first(terminal: Terminal) -> None:
    _post(terminal, told(1, actor="cli", action="push"), told(2, actor="cli", tag=None), told(3, actor="cli"))
    rows = [line.split("\t") for line in terminal.run("events", "--actor", "cli").lines]
    assert [row[1] for row in rows] == ["push", "pull", "pull"]
    assert [row[2] for row in rows] == ["main/team/api:1.0", "main/team/api@sha256:aaaaaaaaaaaa", "main/team/api:1.0"]
    assert rows[0][3:5] == ["cli", "10.0.0.1"]
    assert rows[0][-1] == "unauthenticated"
    some = terminal.run("events", "main/team/api", "--actor", "cli", "--action", "pull", "--json").json
    assert [item["event_id"] for item in some["items"]] == ["event-3", "event-2"]
    assert terminal.run("events", "main", "--actor", "cli", "--hours", "1").lines == []
    terminal.run("events", "--limit", "0", code=2)


def test_events_are_followed(terminal: Terminal) -> None:
    _post(terminal, told(11, actor="follower"))
    command = [sys.executable, "-m", "kubedash", "events", "main", "--follow", "--json", "--actor", "follower"]
    environment = {**os.environ, "KUBEDASH_DATA_DIR": str(terminal.folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["event_id"] == "event-11"
            _post(terminal, told(12, actor="somebody else"), told(13, actor="follower"))
            assert json.loads(process.stdout.readline())["event_id"] == "event-13"
        finally:
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    assert b"Traceback" not in errors
