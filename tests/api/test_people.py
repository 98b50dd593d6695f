"""Users, tokens, the audit trail, and who is let in at all."""

from __future__ import annotations

from typing import Any

import pytest

from kubedash.web.api.routes import ROUTES
from tests.api.house import ADMIN_PASSWORD, PREFIX, USER_PASSWORD, House, fields_of


def operations() -> list[tuple[str, str]]:
    """Every operation of the API, with something in the place of each parameter."""
    found = []
    for handler in ROUTES:
        path = sorted(handler.paths)[0]
        for name, value in {
            "{registry:str}": "main",
            "{user:str}": "admin",
            "{token_id:int}": "1",
            "{job_id:str}": "x",
            "{name:str}": "x",
        }.items():
            path = path.replace(name, value)
        found += [(method, path) for method in handler.http_methods if method not in ("HEAD", "OPTIONS")]
    return found


@pytest.mark.parametrize(("method", "path"), operations())
def test_nobody_is_let_in_without_a_name(house: House, method: str, path: str) -> None:
    house.ask(method, path, role=None, status=401)
    house.ask(method, path, role=None, headers={"Authorization": "Bearer kd_wrong"}, status=401)
    house.ask(method, path, role=None, json={"nonsense": 1}, headers={"Authorization": "Bearer "}, status=401)


def test_me(house: House) -> None:
    assert house.ask("GET", "/me", role="viewer", status=200).json() == {
        "name": "viewer",
        "role": "viewer",
        "via": "token",
    }


def test_users_are_added_changed_and_locked(house: House) -> None:
    made = house.ask("POST", "/users", json={"name": "carol", "role": "maintainer"}, status=201).json()
    assert made["user"]["name"] == "carol"
    assert len(made["password"]) == 20
    assert house.ask("GET", "/users/carol", status=200).json() == made["user"]
    changed = house.ask("PATCH", "/users/carol", json={"role": "viewer", "disabled": True}, status=200).json()
    assert (changed["role"], changed["disabled"]) == ("viewer", True)
    house.ask("PATCH", "/users/carol", json={"password": "a new password"}, status=200)
    house.ask("POST", "/users", json={"name": "carol"}, status=409)
    names = [user["name"] for user in house.ask("GET", "/users?q=caro", status=200).json()["items"]]
    assert names == ["carol"]
    given = house.ask("POST", "/users", json={"name": "dave", "password": "a given password"}, status=201)
    assert given.json()["password"] is None
    assert "a given password" not in given.text


def test_an_administrator_stays(house: House) -> None:
    house.ask("PATCH", "/users/admin", json={"role": "viewer"}, status=409)
    house.ask("PATCH", "/users/admin", json={"disabled": True}, status=409)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/users", {}, "name"),
        ("/users", {"name": "Bad Name"}, "name"),
        ("/users", {"name": "x", "role": "king"}, "role"),
        ("/users", {"name": "x", "password": "short"}, "password"),
        ("/users", {"name": "x", "admin": True}, "admin"),
        ("/tokens", {}, "name"),
        ("/tokens", {"name": ""}, "name"),
        ("/tokens", {"name": "x", "days": 0}, "days"),
        ("/tokens", {"name": "x", "days": "soon"}, "days"),
        ("/tokens", {"name": "x", "days": 2**70}, "days"),
        ("/tokens", {"name": "x", "role": "king"}, "role"),
        ("/tokens", {"name": "x", "secret": "mine"}, "secret"),
    ],
)
def test_what_cannot_be_read_is_named(house: House, path: str, body: dict[str, Any], field: str) -> None:
    assert field in fields_of(house.ask("POST", path, json=body, status=422))


def test_tokens_come_and_go(house: House) -> None:
    body = {"name": "ci", "role": "viewer", "days": 7}
    made = house.ask("POST", "/tokens", role="maintainer", json=body, status=201).json()
    assert made["secret"].startswith("kd_")
    assert (made["token"]["user"], made["token"]["role"]) == ("maintainer", "viewer")
    assert made["token"]["expires_at"].endswith("Z")
    listed = house.ask("GET", "/tokens?sort=name", role="maintainer", status=200)
    assert made["secret"] not in listed.text
    assert [token["name"] for token in listed.json()["items"]] == ["ci", "test"]
    headers = {"Authorization": f"Bearer {made['secret']}"}
    assert house.ask("GET", "/me", role=None, headers=headers, status=200).json()["role"] == "viewer"
    refused = house.ask("POST", "/tokens", role=None, headers=headers, json={"name": "up", "role": "admin"}, status=422)
    assert "role" in fields_of(refused)
    path = f"/tokens/{made['token']['id']}"
    house.ask("DELETE", path, role="viewer", status=404)
    house.ask("DELETE", path, role="maintainer", status=204)
    house.ask("GET", "/me", role=None, headers=headers, status=401)
    house.ask("DELETE", path, role="maintainer", status=404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/users", None),
        ("GET", "/users/admin", None),
        ("POST", "/users", {"name": "x"}),
        ("PATCH", "/users/viewer", {"role": "admin"}),
        ("GET", "/tokens?user=admin", None),
        ("POST", "/tokens", {"name": "x", "user": "admin"}),
        ("GET", "/audit", None),
    ],
)
def test_only_administrators_manage_people(house: House, method: str, path: str, body: Any) -> None:
    for role in ("viewer", "maintainer"):
        house.ask(method, path, role=role, json=body, status=403)


def test_the_audit_trail_tells_and_keeps_secrets(house: House) -> None:
    answer = house.ask("GET", "/audit?limit=1000", status=200)
    entries = answer.json()["items"]
    assert {"registry.add", "sign_in", "token.create", "user.add"} <= {entry["action"] for entry in entries}
    for secret in (ADMIN_PASSWORD, USER_PASSWORD, *house.tokens.values()):
        assert secret not in answer.text


def test_unknown_users_are_not_found(house: House) -> None:
    for name in ("nobody", "%00", "A%2FB", "x" * 300):
        house.ask("GET", f"/users/{name}", status=404)
    house.ask("POST", "/tokens", json={"name": "x", "user": "nobody"}, status=404)


def test_a_session_needs_the_csrf_header(house: House) -> None:
    client = house.client
    page = client.get("/sign-in")
    token = page.text.partition('name="_csrf_token" value="')[2].partition('"')[0]
    form = {"name": "viewer", "password": USER_PASSWORD, "_csrf_token": token}
    assert client.post("/sign-in", data=form, follow_redirects=False).status_code == 303
    try:
        assert client.get(f"{PREFIX}/me").json()["via"] == "session"
        assert client.post(f"{PREFIX}/tokens", json={"name": "forged"}).status_code == 403
        headers = {"X-CSRF-Token": client.cookies["kubedash_csrf"]}
        assert client.post(f"{PREFIX}/tokens", json={"name": "own"}, headers=headers).status_code == 201
    finally:
        client.cookies.clear()


def test_no_cache_keeps_what_is_for_one_person(house: House) -> None:
    made = house.ask("POST", "/tokens", json={"name": "kept by nobody"}, status=201)
    house.ask("DELETE", f"/tokens/{made.json()['token']['id']}", status=204)

    for answer in (made, house.ask("GET", "/me"), house.ask("GET", "/nothing", status=404)):
        assert answer.headers["cache-control"] == "no-store"
