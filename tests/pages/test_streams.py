"""A stream ends soon after its session, its token or the right to listen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from kubedash.policy.access import Role
from kubedash.records import Token
from kubedash.web import event_stream, live_stream
from kubedash.workflows import people, tokens
from kubedash.workflows.people import UserChange
from kubedash.workflows.services import Services
from tests.support.pages import ADMIN, PASSWORD, Site, open_site

STREAMS: Final = ("/-/live?topic=registries", "/-/events")
NAME: Final = "listener"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """In a hurry: what takes half a minute takes a moment."""
    monkeypatch.setattr(live_stream, "CHECK_SECONDS", 0.05)
    for module in (live_stream, event_stream):
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)
    with open_site(tmp_path) as site:
        site.call(_add_listener)
        yield site


async def _add_listener(services: Services) -> None:
    await people.add_user(services, ADMIN, NAME, Role.MAINTAINER, PASSWORD)


class Listening:
    """A stream that is open in another thread."""

    def __init__(self, site: Site, path: str, **more: Any) -> None:
        self._answer: list[httpx.Response] = []
        self._thread = threading.Thread(target=lambda: self._answer.append(site.get(path, **more)), daemon=True)
        self._thread.start()
        self._thread.join(0.5)
        assert self._thread.is_alive(), self._answer

    def ended(self) -> httpx.Response:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self._answer[0]


@pytest.mark.parametrize("path", STREAMS)
def test_signing_out_ends_a_stream(house: Site, path: str) -> None:
    house.sign_in(NAME)
    listening = Listening(house, path)
    assert house.post(house.get_page("/account"), "/sign-out").status_code == 303
    assert listening.ended().status_code == 200


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("change", [UserChange(role=Role.VIEWER), UserChange(disabled=True)], ids=["role", "lock"])
def test_a_new_role_or_a_lock_ends_a_stream(house: Site, path: str, change: UserChange) -> None:
    house.sign_in(NAME)
    listening = Listening(house, path)

    async def act(services: Services) -> None:
        await people.change_user(services, ADMIN, NAME, change)

    house.call(act)
    assert listening.ended().status_code == 200


@pytest.mark.parametrize("path", STREAMS)
def test_a_revoked_token_ends_a_stream(house: Site, path: str) -> None:
    async def make(services: Services) -> tuple[Token, str]:
        return await tokens.create_token(services, ADMIN, "stream", Role.VIEWER, 1, user=NAME)

    token, secret = house.call(make)
    listening = Listening(house, path, headers={"Authorization": f"Bearer {secret}"})

    async def revoke(services: Services) -> None:
        await tokens.revoke_token(services, ADMIN, token.id)

    house.call(revoke)
    assert listening.ended().status_code == 200
