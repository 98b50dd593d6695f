"""Registries: added after a test, changed without losing a secret, removed; and their jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.registry_process import RegistryProcess
from tests.api.house import House, fields_of
from tests.support.small_registry import REGISTRY_PASSWORD, SINGLE, USER

FIELDS = {
    "name",
    "title",
    "url",
    "username",
    "tls_verify",
    "ca_pem",
    "pull_host",
    "repositories",
    "protected_tags",
    "status",
    "status_detail",
    "last_synced",
    "repository_count",
    "tag_count",
}


@pytest.fixture
def other(house: House, registry: RegistryProcess) -> Iterator[dict[str, Any]]:
    """A second registry, removed afterwards."""
    body = {"name": "other", "url": registry.url, "username": USER, "password": REGISTRY_PASSWORD}
    added: dict[str, Any] = house.ask("POST", "/registries", json=body, status=201).json()
    yield added
    house.ask("DELETE", "/registries/other")


def test_the_contract_of_a_registry(house: House, registry: RegistryProcess) -> None:
    (found,) = house.ask("GET", "/registries?q=main", role="viewer", status=200).json()["items"]
    assert found.keys() >= FIELDS
    assert (found["name"], found["title"], found["url"]) == ("main", "Main", registry.url)
    assert found["status"] == "ok"
    assert found["last_synced"].endswith("Z")
    assert (found["repository_count"], found["tag_count"]) == (2, 5)
    assert found["repositories"] == []
    assert found["tls_verify"] is True
    assert house.ask("GET", "/registries/main", role="viewer", status=200).json() == found


def test_secrets_are_write_only(house: House, other: dict[str, Any]) -> None:
    assert not {"password", "identity_token", "registry_token", "client_key_pem"} & other.keys()
    assert other["has_password"] is True
    for path in ("/registries", "/registries/other", "/registries/other/doctor", "/audit"):
        assert REGISTRY_PASSWORD not in house.ask("GET", path).text


def test_a_change_keeps_what_it_does_not_name(house: House, other: dict[str, Any]) -> None:
    changed = house.ask("PATCH", "/registries/other", json={"title": "Another"}, status=200).json()
    assert changed["title"] == "Another"
    assert changed["username"] == USER
    assert changed["has_password"] is True
    assert house.ask("GET", "/registries/other/doctor", status=200).json()["ok"] is True
    patterns = {"protected_tags": ["v*", "latest"], "pull_host": "pull.example.com"}
    changed = house.ask("PATCH", "/registries/other", json=patterns, status=200).json()
    assert changed["protected_tags"] == ["v*", "latest"]
    assert changed["pull_host"] == "pull.example.com"
    assert changed["title"] == "Another"


def test_null_removes_a_secret(house: House, other: dict[str, Any]) -> None:
    gone = house.ask("PATCH", "/registries/other?test=false", json={"password": None, "username": None}, status=200)
    assert gone.json()["has_password"] is False
    refused = house.ask("PATCH", "/registries/other", json={"title": "x"}, status=422)
    assert refused.json()["answered"]


def test_a_wrong_password_saves_nothing(house: House, other: dict[str, Any]) -> None:
    refused = house.ask("PATCH", "/registries/other", json={"password": "wrong one"}, status=422)
    assert "password" in fields_of(refused)
    assert "wrong one" not in refused.text
    assert house.ask("GET", "/registries/other/doctor").json()["ok"] is True


def test_a_registry_is_tested_before_it_is_saved(house: House) -> None:
    body = {"name": "down", "url": "http://127.0.0.1:1"}
    refused = house.ask("POST", "/registries", json=body, status=422)
    assert "url" in fields_of(refused)
    assert "127.0.0.1:1" in refused.json()["asked"]
    house.ask("GET", "/registries/down", status=404)
    house.ask("POST", "/registries?test=false", json=body, status=201)
    try:
        report = house.ask("GET", "/registries/down/doctor", status=200).json()
        assert report["ok"] is False
        assert report["steps"][0]["state"] == "failed"
    finally:
        house.ask("DELETE", "/registries/down", status=204)
    house.ask("GET", "/registries/down", status=404)


def test_a_taken_name_clashes(house: House, registry: RegistryProcess) -> None:
    house.ask("POST", "/registries?test=false", json={"name": "main", "url": registry.url}, status=409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://x"}, "name"),
        ({"name": "x"}, "url"),
        ({"name": 5, "url": "http://x"}, "name"),
        ({"name": ["x"], "url": "http://x"}, "name"),
        ({"name": None, "url": "http://x"}, "name"),
        ({"name": "UPPER", "url": "http://x"}, "name"),
        ({"name": "a/b", "url": "http://x"}, "name"),
        ({"name": "", "url": "http://x"}, "name"),
        ({"name": "x" * 5000, "url": "http://x"}, "name"),
        ({"name": "x", "url": 1}, "url"),
        ({"name": "x", "url": "ftp://x"}, "url"),
        ({"name": "x", "url": "http://user:secret@x"}, "url"),
        ({"name": "x", "url": "http://x:99999"}, "url"),
        ({"name": "x", "url": "http://x", "colour": "red"}, "colour"),
        ({"name": "x", "url": "http://x", "tls_verify": "perhaps"}, "tls_verify"),
        ({"name": "x", "url": "http://x", "repositories": "a"}, "repositories"),
        ({"name": "x", "url": "http://x", "repositories": ["UPPER"]}, "repositories"),
        ({"name": "x", "url": "http://x", "repositories": [1]}, "repositories[0]"),
        ({"name": "x", "url": "https://x", "ca_pem": "not a certificate"}, "ca_pem"),
        ({"name": "x", "url": "http://x", "password": 5}, "password"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
    ],
)
def test_a_body_that_cannot_be_read_names_the_field(house: House, body: Any, field: str) -> None:
    refused = house.ask("POST", "/registries?test=false", json=body, status=422)
    assert field in fields_of(refused), refused.text
    assert "secret" not in refused.text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"name": "\\ud800", "url": "http://x"}', b"[" * 10_000])
def test_broken_json_is_refused(house: House, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    house.ask("POST", "/registries?test=false", content=content, headers=headers, status=422)


@pytest.mark.parametrize("role", ["viewer", None])
def test_the_methods_of_an_address_can_be_asked_for(house: House, role: str | None) -> None:
    for path, methods in (
        ("/registries", "GET, HEAD, OPTIONS, POST"),
        ("/registries/main", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/registries/main/tags", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/bulk-deletions/1", "GET, HEAD, OPTIONS"),
    ):
        assert house.ask("OPTIONS", path, role=role, status=204).headers["allow"] == methods


def test_a_sync_answers_its_job(house: House) -> None:
    answer = house.ask("POST", f"/registries/main/sync?repository={SINGLE}", role="viewer", status=202)
    job = answer.json()
    assert {"id", "kind", "state", "progress", "error"} <= job.keys()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    done = house.wait(job)
    assert done["error"] is None
    house.ask("DELETE", f"/jobs/{job['id']}", role="viewer", status=202)
    house.ask("POST", "/registries/main/sync?repository=UPPER", status=422)
    house.ask("POST", "/registries/nope/sync", status=404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/registries", {"name": "x", "url": "http://x"}),
        ("PATCH", "/registries/main", {"title": "x"}),
        ("DELETE", "/registries/main", None),
        ("GET", "/registries/main/doctor", None),
    ],
)
def test_only_administrators_manage_registries(house: House, method: str, path: str, body: Any) -> None:
    for role in ("viewer", "maintainer"):
        house.ask(method, path, role=role, json=body, status=403)
    house.ask(method, path, role=None, json=body, status=401)


def test_unknown_registries_are_not_found(house: House) -> None:
    for method in ("GET", "DELETE"):
        house.ask(method, "/registries/nope", status=404)
    house.ask("PATCH", "/registries/nope", json={"title": "x"}, status=404)
    house.ask("GET", "/registries/nope/doctor", status=404)
    house.ask("GET", "/registries/%00", status=404)
