"""Passing events on, by the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.house import House

URL = "http://127.0.0.1:9/hook?key=word"
FIELDS = {
    "id",
    "name",
    "kind",
    "host",
    "registry",
    "actions",
    "pattern",
    "enabled",
    "created_at",
    "waiting",
    "sent",
    "dropped",
    "last_sent_at",
    "failures",
    "next_at",
    "problem",
}


def test_from_the_first_to_the_last(house: House) -> None:
    made = house.ask("POST", "/forwards", json={"name": "deploy", "url": URL, "pattern": "shop/*"}, status=201)
    assert len(made.json()["secret"]) > 40
    found = house.ask("GET", "/forwards/deploy", status=200).json()
    assert found.keys() == FIELDS
    assert (found["host"], found["actions"], found["enabled"]) == ("http://127.0.0.1:9", ["push", "delete"], True)
    assert "word" not in house.ask("GET", "/forwards").text
    house.ask("POST", "/forwards", json={"name": "deploy", "url": URL}, status=409)
    tested = house.ask("POST", "/forwards/deploy/test", status=200).json()
    assert (tested["taken"], tested["status"]) == (False, None)
    off = house.ask("PATCH", "/forwards/deploy", json={"enabled": False}, status=200).json()
    assert off["enabled"] is False
    assert [one["name"] for one in house.ask("GET", "/forwards", status=200).json()["items"]] == ["deploy"]
    house.ask("DELETE", "/forwards/deploy", status=204)
    house.ask("GET", "/forwards/deploy", status=404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "url": "file:///etc/passwd"}, "url"),
        ({"name": "X Y", "url": URL}, "name"),
        ({"name": "x", "url": URL, "actions": []}, "actions"),
        ({"name": "x", "url": URL, "registry": "nowhere"}, "registry"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(house: House, body: dict[str, Any], field: str) -> None:
    assert field in house.ask("POST", "/forwards", json=body, status=422).json()["fields"]


@pytest.mark.parametrize("role", ["viewer", "maintainer"])
def test_it_needs_an_administrator(house: House, role: str) -> None:
    house.ask("GET", "/forwards", role=role, status=403)
    house.ask("POST", "/forwards", role=role, json={"name": "x", "url": URL}, status=403)
    house.ask("POST", "/forwards/x/test", role=role, status=403)
