"""The webhook: who is let in, whose an event is, and that nothing a sender does is a failure of ours."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubedash.errors import Unavailable
from kubedash.policy.access import SYSTEM
from kubedash.records import Event, EventFilter, EventQuery, RegistrySecrets, RegistrySettings
from kubedash.storage.database import WriteSession
from kubedash.storage.event_writer import EventWriter
from kubedash.storage.event_writing import Arrival
from kubedash.web import bodies, pace
from kubedash.workflows import event_secrets, events, registries
from kubedash.workflows.reception import Post
from kubedash.workflows.record_events import record_events
from kubedash.workflows.services import Services
from tests.support.events import CONTENT_TYPE, envelope, notification, told
from tests.support.pages import ADMIN, Site, open_site

PATH = "/plugins/registry/events"
TOKEN = "one secret for all of them"
MEDIA_TYPES = (
    "application/vnd.docker.distribution.events.v1+json",
    "application/vnd.docker.distribution.events.v2+json",
    "application/json",
    "application/json; charset=utf-8",
    "text/plain",
    "",
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path, KUBEDASH_SYNC_INTERVAL="0") as opened:
        _add(opened, "main", "http://registry.example.com")
        _add(opened, "other", "https://other.example.com:5000", pull_host="pull.example.com")
        yield opened


def _add(site: Site, name: str, url: str, **more: Any) -> None:
    settings = RegistrySettings(name=name, title=name, url=url, **more)

    async def add(services: Any) -> None:
        await registries.add_registry(services, ADMIN, settings, RegistrySecrets(), test=False)

    site.call(add)


def _post(site: Site, body: bytes, name: str = "", secret: str | None = None, **headers: str) -> httpx.Response:
    sent = {"Content-Type": CONTENT_TYPE, **headers}
    if secret is not None:
        sent["Authorization"] = f"Bearer {secret}"
    return site.client.post(f"{PATH}{name}", content=body, headers=sent)


def _kept(site: Site, where: EventFilter | None = None) -> tuple[Event, ...]:
    """In the order of arrival."""
    found, _ = site.call(events.events_after, SYSTEM, 0, 1000, where)
    return tuple(found)


def test_the_plain_block_of_a_registry_works(site: Site) -> None:
    for media_type in MEDIA_TYPES:
        answer = _post(site, envelope(told(1), told(2, action="push")), **{"Content-Type": media_type})
        assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "strange": 0, "left_out": 0}), media_type
    first, second = _kept(site)
    assert (first.registry, first.action, second.action) == ("main", "pull", "push")
    assert not first.authenticated
    assert "set-cookie" not in answer.headers


def test_an_event_posted_again_is_kept_once(site: Site) -> None:
    for _ in range(3):
        assert _post(site, envelope(told(1))).status_code == 200
    assert _post(site, envelope(told(1)), "/other").status_code == 200
    assert [event.registry for event in _kept(site)] == ["main", "other"]


def test_times_are_those_of_the_registry(site: Site) -> None:
    event = told(1) | {"timestamp": "2026-02-03T04:05:06.123456789+02:00"}
    _post(site, envelope(event))
    (kept,) = _kept(site)
    assert kept.occurred_at == datetime(2026, 2, 3, 2, 5, 6, 123456, UTC)
    assert kept.received_at.year >= 2026
    assert kept.received_at != kept.occurred_at


def test_a_registry_is_told_by_path_or_host(site: Site) -> None:
    hosts = (
        "registry.example.com:80",
        "REGISTRY.example.com",
        "pull.example.com",
        "other.example.com:5000",
        "x.org",
    )
    for number, host in enumerate(hosts):
        event = told(number)
        event["request"]["host"] = host
        assert _post(site, envelope(event)).status_code == 200
    assert [event.registry for event in _kept(site)] == ["main", "main", "other", "other", None]
    assert _post(site, envelope(told(9)), "/unknown").status_code == 404
    assert _post(site, envelope(told(9)), "/main").status_code == 200


def test_a_secret_is_asked_for_once_there_is_one(site: Site) -> None:
    secret = site.call(event_secrets.make_secret, ADMIN, "main").secret
    assert _post(site, envelope(told(1))).status_code == 401  # its host says that it is main
    assert _post(site, envelope(told(1)), "/main").status_code == 401
    refused = _post(site, envelope(told(1)), "/main", secret + "x")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert _post(site, envelope(told(1)), "/other", secret).status_code == 200
    assert _post(site, envelope(told(1)), "/main", secret).status_code == 200
    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    assert _post(site, envelope(told(2)), Authorization=f"Basic {basic}").status_code == 200
    assert _post(site, envelope(told(3)), Authorization=secret).status_code == 200
    assert [(event.registry, event.authenticated) for event in _kept(site)] == [
        ("other", False),
        ("main", True),
        ("main", True),
        ("main", True),
    ]


def test_a_secret_is_exchanged_and_taken_away_at_once(site: Site) -> None:
    first = site.call(event_secrets.make_secret, ADMIN, "main")
    assert f"Authorization: [Bearer {first.secret}]" in first.block
    assert first.url.endswith(f"{PATH}/main")
    second = site.call(event_secrets.make_secret, ADMIN, "main")
    assert _post(site, envelope(told(1)), "/main", first.secret).status_code == 401
    assert _post(site, envelope(told(1)), "/main", second.secret).status_code == 200
    shown = site.call(event_secrets.show_webhook, ADMIN, "main")
    assert (shown.has_secret, shown.last_authenticated) == (True, True)
    assert second.secret not in repr((shown, second))
    site.call(event_secrets.remove_secret, ADMIN, "main")
    assert _post(site, envelope(told(2)), "/main").status_code == 200


def test_one_secret_may_hold_for_all(tmp_path: Path) -> None:
    with open_site(tmp_path, KUBEDASH_EVENTS_TOKEN=TOKEN, KUBEDASH_SYNC_INTERVAL="0") as site:
        _add(site, "main", "http://registry.example.com")
        for name in ("", "/main"):
            assert _post(site, envelope(told(1)), name).status_code == 401
            assert _post(site, envelope(told(1)), name, "wrong").status_code == 401
            assert _post(site, envelope(told(1)), name, TOKEN).status_code == 200
        own = site.call(event_secrets.make_secret, ADMIN, "main").secret
        assert _post(site, envelope(told(2)), "", own).status_code == 200
        assert {(event.registry, event.authenticated) for event in _kept(site)} == {("main", True)}


def test_addresses_and_what_is_only_claimed(site: Site) -> None:
    for number, address in enumerate(("[2001:db8::7]:443", "10.1.2.3:55", "6.6.6.6", "fe80::1")):
        _post(site, envelope(told(number, addr=address)))
    assert [(event.address, event.address_claimed) for event in _kept(site)] == [
        ("2001:db8::7", False),
        ("10.1.2.3", False),
        ("6.6.6.6", True),
        ("fe80::1", True),
    ]


SCRIPT = "<script>alert(1)</script>"
HOSTILE: dict[str, bytes] = {
    "no JSON": b"hello",
    "half of it": envelope(told(1))[:-20],
    "no UTF-8": b'{"events": [{"id": "\xff\xfe", "action": "pull", "target": {"repository": "\xc3\x28"}}]}',
    "a lone surrogate": b'{"events": [{"id": "\\ud800", "action": "\\udfff", "actor": {"name": "\\ud800"}}]}',
    "NUL": json.dumps({"events": [{"id": "a\x00b", "action": "pu\x00sh", "target": {"repository": "a\x00"}}]}).encode(),
    "deep": b'{"events":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    "deep without end": b'{"events":[{"target":' * 5_000,
    "numbers": b'{"events": [{"id": 1e999, "timestamp": 99999999999999999999, "target": {"size": 1e400}}]}',
    "sizes": b'{"events": [{"id": "x", "action": "push", "target": {"size": 99999999999999999999999}}]}',
    "other types": b'{"events": [1, "x", [], {}, {"target": 5, "actor": [1], "request": "x", "source": true}]}',
    "no list": b'{"events": {"id": "x"}}',
    "a list": b'[91, 92, {"z": 1}]',
    "a text": b'"text"',
    "nothing": b"null",
    "scripts": envelope(told(1, **dict.fromkeys(("action", "repository", "tag", "actor", "useragent", "id"), SCRIPT))),
    "long texts": envelope(told(1, **dict.fromkeys(("actor", "useragent", "repository", "tag", "id"), "x" * 100_000))),
    "a time to come": envelope(told(1) | {"timestamp": "99999-01-01T00:00:00Z"}),
    "a time before all": envelope(told(2) | {"timestamp": "0001-01-01T00:00:00+23:59"}),
    "control characters": envelope(told(1, actor="a\u202eb\x1b[31m\r\n", id="\u2028")),
}


def test_hostile_posts_are_kept_and_marked(site: Site) -> None:
    kept = 0
    for name, body in HOSTILE.items():
        answer = _post(site, body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), name
        assert answer.json()["accepted"] >= 1, name
        found = _kept(site)
        assert len(found) == kept + answer.json()["accepted"], name
        kept = len(found)
        page = site.call(events.open_events, SYSTEM, EventQuery(limit=1000))
        assert len(page.items) == kept, name
    site.call(events.event_stats, SYSTEM, EventFilter())
    assert _post(site, envelope(told(7))).json() == {"accepted": 1, "strange": 0, "left_out": 0}


def test_one_strange_event_spoils_no_other(site: Site) -> None:
    answer = _post(site, envelope(told(1), {"id": "odd", "target": 5}, None, told(2)))
    assert answer.json() == {"accepted": 4, "strange": 2, "left_out": 0}
    kept = _kept(site)
    assert [event.strange is None for event in kept] == [True, False, False, True]
    assert kept[1].raw == '{"id":"odd","target":5}'
    assert kept[0].raw is None


def test_what_is_no_post_of_events_is_refused(site: Site) -> None:
    assert site.get(PATH).status_code == 405
    assert site.client.put(PATH, content=b"x").headers["allow"] == "POST"
    assert _post(site, b"").json()["accepted"] == 0
    assert _post(site, b" " * (bodies.MAX_BODY + 1)).status_code == 413
    assert _post(site, b"[" * bodies.MAX_BODY).status_code == 200
    streamed = site.client.post(PATH, content=iter([b"x" * 1_000_000] * 6))
    assert streamed.status_code == 413
    assert len(_kept(site)) == 1


def test_an_address_that_sends_too_fast_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "monotonic", lambda: 100.0)
    with open_site(tmp_path, KUBEDASH_EVENTS_RATE="3") as site:
        statuses = [_post(site, envelope(told(number))) for number in range(5)]
        assert [answer.status_code for answer in statuses] == [200, 200, 200, 429, 429]
        assert statuses[-1].headers["retry-after"] == "1"
        monkeypatch.setattr(pace, "monotonic", lambda: 101.0)
        assert _post(site, envelope(told(9))).status_code == 200


def test_a_store_that_is_down_makes_the_registry_come_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> int:
        raise Unavailable("The database does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(EventWriter, "_add", broken)
        answer = _post(site, envelope(told(1)))
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"]
    assert _post(site, envelope(told(1))).status_code == 200
    assert len(_kept(site)) == 1


def test_a_post_that_cannot_be_stored_fails_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, together = EventWriter._add, []

    async def picky(self: EventWriter, session: WriteSession, batch: Any, made: Any) -> int:
        together.append(len(batch))
        stored = await whole(self, session, batch, made)
        if any(row["event_id"] == "event-13" for post in batch for row in post.rows):
            raise ValueError("a bug")
        return stored

    async def add_all(services: Services) -> list[object]:
        arrivals = [
            Arrival(
                notification=notification(number),
                registry_id=None,
                authenticated=False,
                sender=None,
                received_at=services.clock(),
            )
            for number in (12, 13, 14)
        ]
        return await asyncio.gather(*(services.events.add([one]) for one in arrivals), return_exceptions=True)

    monkeypatch.setattr(EventWriter, "_add", picky)
    first, second, third = site.call(add_all)
    assert together == [3, 1, 1, 1]
    assert isinstance(second, ValueError)
    assert isinstance(first, int)
    assert isinstance(third, int)
    assert sorted(event.event_id for event in _kept(site)) == ["event-12", "event-14"]
    assert _post(site, envelope(told(13))).status_code == 500


def test_viewers_hear_that_something_came(site: Site) -> None:
    heard: list[str] = []

    async def listen(services: Any) -> None:
        admission = await services.reception.admit("main", None)
        post = Post(admission=admission, headers={}, body=envelope(told(1)), address=None)
        async with services.live.subscribe(["events", "events:main"]) as messages:
            await record_events(services, post)
            heard.extend([(await anext(messages)).topic, (await anext(messages)).topic])

    site.call(listen)
    assert sorted(heard) == ["events", "events:main"]
