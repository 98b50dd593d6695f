"""What the server writes down holds no secret."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from demo.registry_process import RegistryProcess
from kubedash.web import logs
from tests.api.house import House
from tests.support.small_registry import REGISTRY_PASSWORD, USER


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that the server would write at its most talkative."""
    written, root, before = io.StringIO(), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        logs.configure("debug")
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def test_no_secret_is_logged(house: House, registry: RegistryProcess, log: io.StringIO) -> None:
    secrets = ["a wrong registry password", "a password of grace", "kd_wrong", house.tokens["admin"], REGISTRY_PASSWORD]
    wrong = {"name": "logged", "url": registry.url, "username": USER, "password": secrets[0]}
    house.ask("POST", "/registries", json=wrong, status=422)
    house.ask("POST", "/registries", json={**wrong, "password": REGISTRY_PASSWORD}, status=201)
    house.ask("DELETE", "/registries/logged", status=204)
    house.ask("POST", "/users", json={"name": "grace", "password": secrets[1]}, status=201)
    house.ask("GET", "/me", role=None, headers={"Authorization": "Bearer kd_wrong"}, status=401)
    secrets.append(house.ask("POST", "/tokens", json={"name": "logged"}, status=201).json()["secret"])
    house.ask("GET", f"/search?q={secrets[-1]}", status=200)
    written = log.getvalue()
    assert "/api/v1/users" in written
    for secret in secrets:
        assert secret not in written
