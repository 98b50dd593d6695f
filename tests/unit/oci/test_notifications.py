"""Events as registries post them: formats, odd ones, hostile ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from kubedash.oci.notifications import MAX_RAW, Format, Notification, Parsed, parse
from tests.support.notifications import DIGEST, HARBOR, HARBOR_CLOUD, MANIFEST, PUSH, V1, V2, ZOT, ZOT_HEADERS, changed

OF_NOTHING: dict[str, Any] = {}
READ_WHOLE: dict[str, Any] = {
    "event_id": "320678d8-ca14-430f-8bb6-4ca139cd83f7",
    "action": "push",
    "repository": "shop/api",
    "tag": "1.4",
    "digest": DIGEST,
    "media_type": MANIFEST,
    "size": 708,
    "actor": "ci",
    "address": "192.168.64.11",
    "address_claimed": False,
    "user_agent": "docker/27.0 go/1.22",
    "method": "PUT",
    "occurred_at": datetime(2026, 3, 9, 12, 44, 26, 402973, UTC),
    "host": "registry.example.org:5000",
    "instance": "a53db899-3b4b-4a62-a067-8dd013beaca4",
    "from_repository": None,
    "format": Format.DISTRIBUTION,
    "strange": None,
}


def posted(value: Any, content_type: str = V1, headers: Mapping[str, str] = OF_NOTHING) -> Parsed:
    return parse(content_type, headers, json.dumps(value, indent=3).encode())


def one(value: Any, content_type: str = V1, headers: Mapping[str, str] = OF_NOTHING) -> Notification:
    (found,) = posted(value, content_type, headers).notifications
    return found


def said(notification: Notification, fields: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(notification, name) for name in fields}


@pytest.mark.parametrize("content_type", [V1, V2, "application/json; charset=utf-8", "text/plain", ""])
def test_an_envelope_is_read_whatever_its_content_type(content_type: str) -> None:
    found = one({"events": [PUSH]}, content_type)
    assert said(found, READ_WHOLE) == READ_WHOLE
    assert found.raw == ""
    assert not found.own


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            changed(
                PUSH,
                action="delete",
                target={"mediaType": None, "size": None, "length": None, "tag": None},
                request={"method": "DELETE"},
            ),
            {"action": "delete", "tag": None, "digest": DIGEST, "media_type": None, "size": None, "strange": None},
            id="a deletion by digest",
        ),
        pytest.param(
            changed(PUSH, action="delete", target={"mediaType": "", "digest": "", "size": 0}),
            {"action": "delete", "tag": "1.4", "digest": None, "media_type": None, "size": None, "strange": None},
            id="a deletion of a tag, by 3.x",
        ),
        pytest.param(
            changed(PUSH, action="delete", target={"digest": "", "tag": "", "mediaType": ""}),
            {"action": "delete", "repository": "shop/api", "tag": None, "digest": None, "strange": None},
            id="a deletion of a repository",
        ),
        pytest.param(
            changed(
                PUSH, action="mount", target={"fromRepository": "base/os", "mediaType": "application/octet-stream"}
            ),
            {"action": "mount", "from_repository": "base/os", "media_type": "application/octet-stream"},
            id="a mount",
        ),
        pytest.param(
            changed(PUSH, action="pull", request={"method": "HEAD", "useragent": "kubedash/0.9"}),
            {"action": "pull", "method": "HEAD", "own": True, "strange": None},
            id="our own look at a tag",
        ),
        pytest.param(changed(PUSH, actor={"name": None}), {"actor": None, "strange": None}, id="nobody in particular"),
        pytest.param(
            changed(PUSH, request=None, source=None, actor=None),
            {"address": None, "user_agent": None, "instance": None, "host": None, "strange": None},
            id="without request and source",
        ),
        pytest.param(
            changed(PUSH, actor={"user_type": "personal_access_token"}),
            {"format": Format.GITLAB, "actor": "ci", "strange": None},
            id="GitLab's fork",
        ),
        pytest.param(
            changed(PUSH, action="rename", target={"digest": None, "tag": None}),
            {"action": "rename", "strange": None},
            id="an action of a fork",
        ),
        pytest.param(changed(PUSH, target={"size": None}), {"size": 708}, id="the old name of the size"),
    ],
)
def test_events_of_distribution(event: dict[str, Any], expected: dict[str, Any]) -> None:
    assert said(one({"events": [event]}), expected) == expected


@pytest.mark.parametrize(
    ("addr", "address", "claimed"),
    [
        ("192.168.64.11:42961", "192.168.64.11", False),
        ("[::1]:42961", "::1", False),
        ("[2001:DB8::0001]:1", "2001:db8::1", False),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", False),
        ("2001:db8::1", "2001:db8::1", True),
        ("[::ffff:6.6.6.6]:80", "6.6.6.6", False),
        ("  ", None, True),
        ("6.6.6.6", "6.6.6.6", True),
        ("node-7:80", "node-7", False),
        ("<script>", "<script>", True),
        ("", None, False),
    ],
)
def test_addresses_lose_their_port_and_tell_whether_they_are_only_claimed(
    addr: str, address: str | None, claimed: bool
) -> None:
    found = one({"events": [changed(PUSH, request={"addr": addr})]})
    assert (found.address, found.address_claimed) == (address, claimed)


@pytest.mark.parametrize(
    ("event", "reason", "kept"),
    [
        pytest.param(changed(PUSH, target={"digest": "sha256:xyz"}), "digest", {"digest": "sha256:xyz"}, id="digest"),
        pytest.param(changed(PUSH, target={"tag": "no tag"}), "tag", {"tag": "no tag"}, id="tag"),
        pytest.param(changed(PUSH, target={"repository": "../etc"}), "repository", {"repository": "../etc"}, id="name"),
        pytest.param(changed(PUSH, target={"size": -1}), "size", {"size": None, "tag": "1.4"}, id="size"),
        pytest.param(changed(PUSH, target={"size": 10**40}), "size", {"size": None, "tag": "1.4"}, id="huge size"),
        pytest.param(changed(PUSH, timestamp="yesterday"), "time", {"occurred_at": None}, id="time"),
        pytest.param(changed(PUSH, timestamp=None), "time", {"occurred_at": None}, id="no time"),
        pytest.param(changed(PUSH, action=None), "action", {"action": "unknown"}, id="no action"),
        pytest.param(changed(PUSH, target=None), "repository", {"repository": None, "actor": "ci"}, id="no target"),
        pytest.param(changed(PUSH, actor=["ci"]), "actor", {"actor": None, "tag": "1.4"}, id="wrong type"),
        pytest.param({**PUSH, "target": {**PUSH["target"], "tag": {"a": 1}}}, "tag", {"tag": None}, id="tag is object"),
        pytest.param("push", "object", {"action": "unknown"}, id="no object"),
        pytest.param(None, "object", {"action": "unknown"}, id="null"),
        pytest.param({}, "action", {"action": "unknown", "repository": None}, id="empty"),
    ],
)
def test_a_strange_event_is_kept_and_marked_and_the_others_are_as_good_as_ever(
    event: Any, reason: str, kept: dict[str, Any]
) -> None:
    first, strange, last = posted({"events": [PUSH, event, PUSH]}).notifications
    assert said(first, READ_WHOLE) == READ_WHOLE == said(last, READ_WHOLE)
    assert strange.strange is not None
    assert reason in strange.strange
    assert said(strange, kept) == kept
    assert json.loads(strange.raw) == event
    assert "\n" not in strange.raw


def test_an_event_without_id_is_known_by_its_content() -> None:
    nameless, same, other = (
        one({"events": [changed(PUSH, id=None, action=action)]}) for action in ("push", "push", "pull")
    )
    assert nameless.event_id == same.event_id
    assert nameless.event_id.startswith("content:")
    assert nameless.event_id != other.event_id


def test_overlong_ids_stay_apart_and_short() -> None:
    found = [one({"events": [changed(PUSH, id="x" * 5000 + end)]}) for end in "ab"]
    assert found[0].event_id != found[1].event_id
    assert all(len(event.event_id) <= 255 for event in found)


def test_overlong_fields_are_cut_and_names_at_their_full_length_are_not() -> None:
    long_name = "/".join(["a" * 50] * 5)
    event = changed(
        PUSH,
        target={"repository": long_name, "tag": "t" * 128},
        request={"useragent": "u" * 100_000},
        actor={"name": "n" * 100_000},
    )
    found = one({"events": [event]})
    assert (found.repository, found.tag, found.strange) == (long_name, "t" * 128, None)
    assert len(found.user_agent or "") == 2048
    assert len(found.actor or "") == 512
    assert len(one({"events": [changed(event, id="\x00", junk="j" * MAX_RAW)]}).raw) == MAX_RAW


@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+json; charset=UTF-8"])
def test_cloud_events_in_the_binary_mode(content_type: str) -> None:
    if content_type == "application/json":
        found = one(ZOT, content_type, ZOT_HEADERS)
    else:
        structured = {name.removeprefix("ce-"): text for name, text in ZOT_HEADERS.items()}
        found = one({**structured, "data": ZOT}, content_type)
    expected = {
        "event_id": "9b2d",
        "action": "push",
        "repository": "shop/api",
        "tag": "1.4",
        "digest": DIGEST,
        "media_type": MANIFEST,
        "size": len(ZOT["manifest"]),
        "actor": "ci",
        "address": "2001:db8::1",
        "user_agent": "skopeo/1.9",
        "method": "PUT",
        "occurred_at": datetime(2026, 3, 9, 14, 44, 26, 402973, UTC),
        "instance": "zotregistry.dev",
        "format": Format.CLOUD_EVENTS,
        "strange": None,
    }
    assert said(found, expected) == expected
    strange = one(changed(ZOT, name=None), "application/json", ZOT_HEADERS)
    assert json.loads(strange.raw)["data"] == changed(ZOT, name=None)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("zotregistry.image.deleted", {"reference": DIGEST}, {"action": "delete", "tag": None, "digest": DIGEST}),
        ("zotregistry.image.deleted", {"reference": "1.4"}, {"action": "delete", "tag": "1.4", "digest": DIGEST}),
        ("zotregistry.repository.created", {"reference": None, "digest": None}, {"action": "create", "tag": None}),
        ("zotregistry.image.lint_failed", {}, {"action": "lint_failed", "strange": None}),
        ("zotregistry.image.scanned", {}, {"action": "scanned", "strange": None}),
    ],
)
def test_what_zot_reports(kind: str, data: dict[str, Any], expected: dict[str, Any]) -> None:
    found = one(
        changed(ZOT, **{key: value or None for key, value in data.items()}), "", {**ZOT_HEADERS, "ce-type": kind}
    )
    assert said(found, expected) == expected


def test_a_batch_of_cloud_events() -> None:
    zot = {name.removeprefix("ce-"): text for name, text in ZOT_HEADERS.items()} | {"data": ZOT}
    found = posted([zot, HARBOR_CLOUD, 7], "application/cloudevents-batch+json").notifications
    assert [(event.action, event.repository) for event in found[:2]] == [("push", "shop/api"), ("pull", "shop/api")]
    assert [event.strange is None for event in found] == [True, True, False]


def test_a_binary_event_whose_data_is_no_json_is_kept() -> None:
    (found,) = parse("text/plain", ZOT_HEADERS, b"\xff<html>").notifications
    assert (found.event_id, found.action) == ("9b2d", "push")
    assert "not JSON" in (found.strange or "")
    assert "<html>" in found.raw


def test_data_in_base64() -> None:
    attributes = {name.removeprefix("ce-"): text for name, text in ZOT_HEADERS.items()}
    assert one({**attributes, "data_base64": "eyJuYW1lIjoiYSJ9"}).repository == "a"
    assert "unpacked" in (one({**attributes, "data_base64": "***"}).strange or "")


def test_harbors_own_form() -> None:
    found = one(HARBOR, "application/json")
    expected = {
        "action": "push",
        "repository": "shop/api",
        "tag": "1.4",
        "digest": DIGEST,
        "actor": "admin",
        "host": "harbor.example.org",
        "occurred_at": datetime(2026, 3, 9, 14, 44, 26, tzinfo=UTC),
        "format": Format.HARBOR,
        "strange": None,
    }
    assert said(found, expected) == expected
    assert found.event_id.startswith("content:")


def test_harbor_names_a_digest_as_the_tag_of_a_pull_by_digest() -> None:
    found = one(changed(HARBOR, type="PULL_ARTIFACT", event_data={"resources": [{"tag": DIGEST}]}))
    assert (found.action, found.tag, found.digest) == ("pull", None, DIGEST)


def test_each_resource_of_harbor_is_an_event_of_its_own() -> None:
    resources = [{"tag": "a b"}, {"tag": "b c"}, {"tag": "c"}]
    found = posted(changed(HARBOR, event_data={"resources": resources})).notifications
    assert [event.tag for event in found] == ["a b", "b c", "c"]
    assert [event.strange is None for event in found] == [False, False, True]
    assert len({event.event_id for event in found}) == 3
    assert [bool(event.raw) for event in found] == [True, False, False]


@pytest.mark.parametrize(
    ("kind", "action"), [("SCANNING_COMPLETED", "scanning_completed"), ("QUOTA_EXCEED", "quota_exceed")]
)
def test_what_else_harbor_reports_keeps_its_name(kind: str, action: str) -> None:
    assert one({"type": kind, "occur_at": 1773067466, "event_data": {}}).action == action
    quota = one({"type": "QUOTA_EXCEED", "occur_at": 1773067466, "event_data": {}})
    assert quota.strange is None


def test_harbors_cloud_event() -> None:
    found = one(HARBOR_CLOUD, "application/cloudevents+json")
    expected = {
        "event_id": "66e18103",
        "action": "pull",
        "repository": "shop/api",
        "tag": "1.4",
        "actor": "robot$ci",
        "format": Format.CLOUD_EVENTS,
        "strange": None,
    }
    assert said(found, expected) == expected
    assert one({**HARBOR_CLOUD, "data": HARBOR}).repository == "shop/api"
