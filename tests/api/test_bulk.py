"""Bulk deletion through the API: dry run, job, and the refusals of each door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from msgspec.structs import replace

from demo.push import push_image
from demo.registry_process import RegistryProcess
from kubedash.settings import load
from kubedash.web.app import create_app
from tests.api.conftest import without_engine
from tests.api.house import ADMIN_PASSWORD, House, fields_of

PATH = "/registries/main/bulk-deletions"


@pytest.fixture(scope="module")
def deleting(tmp_path_factory: pytest.TempPathFactory, open_registry: RegistryProcess) -> Iterator[House]:
    """A house in which things may be deleted."""
    folder: Path = tmp_path_factory.mktemp("deleting")
    environ = {"KUBEDASH_DATA_DIR": str(folder), "KUBEDASH_ADMIN_PASSWORD": ADMIN_PASSWORD, "DELETE_IMAGES": "true"}
    with TestClient(create_app(load(environ), without_engine), base_url="http://kubedash.test") as client:
        built = House(client, folder)
        built.ask("POST", "/registries", json={"name": "main", "url": open_registry.url}, status=201)
        yield built


def body(repository: str, **rules: Any) -> dict[str, Any]:
    return {"repository": repository, **rules}


def fill(registry: RegistryProcess, repository: str, *tags: str) -> None:
    for tag in tags:
        push_image(registry.url, repository, tag, labels={"tag": tag, "in": repository})


def tags_of(house: House, repository: str) -> list[str]:
    items = house.ask("GET", "/registries/main/tags", params={"repository": repository}, status=200).json()["items"]
    return sorted(item["name"] for item in items)


def test_what_a_dry_run_shows_is_what_goes(deleting: House, open_registry: RegistryProcess) -> None:
    fill(open_registry, "api/prune", "pr-1", "pr-2", "main")
    wanted = body("api/prune", patterns=["pr-*"])
    plan = deleting.ask("POST", f"{PATH}?dry_run=true", role="maintainer", json=wanted, status=200).json()
    assert [tag["name"] for tag in plan["tags"]] == ["pr-1", "pr-2"]
    assert (plan["removes"], plan["stays"], plan["strategies"]) == (2, 1, {"digest_delete": 2})
    assert tags_of(deleting, "api/prune") == ["main", "pr-1", "pr-2"]
    answer = deleting.ask("POST", PATH, role="maintainer", json={**wanted, "expected": plan["expected"]}, status=202)
    job = deleting.wait(answer.json())
    assert (job["kind"], job["progress"]["done"], job["progress"]["unit"]) == ("delete_tags", 2, "tags")
    shown = deleting.ask("GET", f"/bulk-deletions/{job['id']}", role="viewer", status=200).json()
    assert shown["outcome"] == {"tags": 2, "deleted": 2, "skipped": 0, "failed": 0, "waiting": 0}
    assert tags_of(deleting, "api/prune") == ["main"]
    lines = deleting.ask("GET", "/audit?limit=3", status=200).json()["items"]
    assert [line["action"] for line in lines] == ["tags.delete", "tag.delete", "tag.delete"]


def test_anything_else_than_what_was_shown_is_not_deleted(deleting: House, open_registry: RegistryProcess) -> None:
    fill(open_registry, "api/moved", "a")
    plan = deleting.ask("POST", f"{PATH}?dry_run=true", json=body("api/moved", everything=True), status=200).json()
    fill(open_registry, "api/moved", "b")
    wanted = body("api/moved", everything=True, expected=plan["expected"])
    deleting.ask("POST", PATH, json=wanted, status=409)
    assert fields_of(deleting.ask("POST", PATH, json=body("api/moved", everything=True), status=422)) == {"expected"}


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({}, "tags"),
        ({"older_than_days": -1}, "older_than_days"),
        ({"tags": ["not a tag"]}, "tags"),
        ({"keep": 3}, "keep"),
    ],
)
def test_what_cannot_be_read_is_named(deleting: House, rules: dict[str, Any], field: str) -> None:
    assert field in fields_of(deleting.ask("POST", f"{PATH}?dry_run=true", json=body("api/prune", **rules), status=422))


def test_what_is_not_there_is_not_found(deleting: House) -> None:
    deleting.ask("POST", f"{PATH}?dry_run=true", json=body("no/such", everything=True), status=404)
    deleting.ask("GET", "/bulk-deletions/none", status=404)


def test_who_may_not_is_refused(deleting: House, open_registry: RegistryProcess) -> None:
    """Nobody, a viewer, an expired token, and a session without its CSRF token."""
    fill(open_registry, "api/kept", "a")
    wanted = body("api/kept", everything=True, expected="x")
    deleting.ask("POST", PATH, role=None, json=wanted, status=401)
    for query in ("", "?dry_run=true"):
        deleting.ask("POST", f"{PATH}{query}", role="viewer", json=wanted, status=403)
    made = deleting.ask("POST", "/tokens", json={"name": "short", "days": 1}, status=201).json()
    deleting.tokens["expired"] = made["secret"]
    services = deleting.client.app.state.services
    deleting.client.app.state.services = replace(services, clock=lambda: datetime.now(UTC) + timedelta(days=2))
    try:
        deleting.ask("POST", PATH, role="expired", json=wanted, status=401)
    finally:
        deleting.client.app.state.services = services
    deleting.client.cookies.set("kubedash_session", "0" * 64)
    try:
        deleting.ask("POST", PATH, role=None, json=wanted, status=403)
    finally:
        deleting.client.cookies.clear()
    plan = deleting.ask("POST", f"{PATH}?dry_run=true", json=body("api/kept", everything=True), status=200).json()
    assert plan["removes"] == 1


def test_with_delete_images_off_nobody_deletes(house: House) -> None:
    wanted = body("library/single", everything=True, expected="x")
    for query in ("", "?dry_run=true"):
        refused = house.ask("POST", f"{PATH}{query}", json=wanted, status=403).json()
        assert "DELETE_IMAGES" in refused["detail"]
