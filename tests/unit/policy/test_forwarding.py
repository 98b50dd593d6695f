"""What is passed on, in which words, and when it is tried again."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.policy.forwarding import (
    is_refusal,
    is_too_old,
    message_body,
    normalise,
    pause,
    sentence,
    signature,
    text_of,
    wants,
)
from kubedash.records import Event, ForwardKind, ForwardSettings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVENT = Event(
    id=7,
    event_id="e-7",
    registry="main",
    action="push",
    repository="shop/api",
    tag="1.4",
    digest="sha256:" + "a" * 64,
    media_type=None,
    size=None,
    actor="ci",
    address=None,
    address_claimed=False,
    user_agent=None,
    method="PUT",
    at=NOW,
    occurred_at=NOW,
    received_at=NOW,
    authenticated=True,
    own=False,
    counted=True,
    from_repository=None,
    host=None,
    instance=None,
    sender=None,
    format="distribution",
    strange=None,
)
SETTINGS = ForwardSettings(name="deploy", url="https://hooks.example.com/x?y=1")


@pytest.mark.parametrize(
    ("event", "registry", "actions", "pattern", "expected"),
    [
        ({}, None, ["push"], "", True),
        ({}, "main", ["push"], "shop/*", True),
        ({}, "other", ["push"], "", False),
        ({}, None, ["delete"], "", False),
        ({}, None, ["push"], "shop/web*", False),
        ({}, None, ["push"], "sho?/api", True),
        ({"repository": "a/b/c"}, None, ["push"], "a/*", True),
        ({"repository": None}, None, ["push"], "*", False),
        ({"repository": None}, None, ["push"], "", True),
        ({"registry": None}, "main", ["push"], "", False),
        ({"counted": False}, None, ["push"], "", False),
        ({"action": "scanning_completed", "counted": False}, None, ["scanning_completed"], "", True),
    ],
)
def test_what_is_wanted(
    event: dict[str, Any], registry: str | None, actions: list[str], pattern: str, expected: bool
) -> None:
    assert wants(registry, actions, pattern, replace(EVENT, **event)) is expected


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": "No Name"}, {"name"}),
        ({"url": "ftp://example.com"}, {"url"}),
        ({"url": "https://user:word@example.com/"}, {"url"}),
        ({"url": "https://"}, {"url"}),
        ({"url": "https://example.com:99999/"}, {"url"}),
        ({"url": "https://example.com/a b"}, {"url"}),
        ({"url": "https://example.com/\r\nX: y"}, {"url"}),
        ({"actions": ()}, {"actions"}),
        ({"actions": ("push!",)}, {"actions"}),
        ({"pattern": "UPPER"}, {"pattern"}),
        ({"secret": "s" * 501, "name": ""}, {"secret", "name"}),
    ],
)
def test_settings_are_refused_field_by_field(fields: dict[str, Any], wrong: set[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        normalise(replace(SETTINGS, **fields))
    assert refused.value.fields.keys() == wrong


def test_settings_get_one_spelling() -> None:
    given = replace(
        SETTINGS, name=" deploy ", actions=("PUSH", "push", " "), pattern=" shop/* ", registry="", secret=""
    )
    assert normalise(given) == replace(SETTINGS, actions=("push",), pattern="shop/*")


def test_a_sentence_holds_no_mark_up_of_strangers() -> None:
    hostile = replace(
        EVENT, actor="<!channel> *a* & `b`\n", repository="x`<http://evil|y>", registry=None, authenticated=False
    )
    text = sentence(hostile)
    assert "<" not in text
    assert "\n" not in text
    assert text.count("*") == 2
    assert text.count("`") == 2
    assert text.endswith("sender not authenticated")
    assert sentence(EVENT) == "*ci* pushed `shop/api:1.4` · main"
    assert sentence(replace(EVENT, tag=None, actor=None)).startswith("*Somebody* pushed `shop/api@sha256:aaaaaaaaaaaa`")


def test_a_message_and_an_event_are_json() -> None:
    assert msgspec.json.decode(message_body(["a", "b"])) == {"text": "a\nb"}
    assert msgspec.json.decode(text_of(ForwardKind.WEBHOOK, EVENT))["repository"] == "shop/api"
    assert text_of(ForwardKind.SLACK, EVENT) == sentence(EVENT)


def test_time_and_body_are_signed() -> None:
    wanted = hmac.new(b"secret", b"1700000000.{}", hashlib.sha256).hexdigest()
    assert signature("secret", 1_700_000_000, b"{}") == f"sha256={wanted}"
    assert signature("secret", 1_700_000_001, b"{}") != f"sha256={wanted}"


def test_pauses_grow_and_end_growing() -> None:
    pauses = [pause(failures, None) for failures in range(1, 40)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[1], pauses[-1]) == (timedelta(seconds=5), timedelta(seconds=10), timedelta(minutes=30))
    assert pause(1, 60.0) == timedelta(seconds=60)
    assert pause(1, 1e9) == timedelta(minutes=30)


@pytest.mark.parametrize(("status", "expected"), [(400, True), (404, True), (410, True), (429, False), (500, False)])
def test_only_some_answers_say_that_it_will_never_be_taken(status: int, expected: bool) -> None:
    assert is_refusal(status) is expected


def test_after_a_day_it_is_too_old() -> None:
    assert not is_too_old(NOW - timedelta(hours=24), NOW)
    assert is_too_old(NOW - timedelta(hours=24, seconds=1), NOW)
