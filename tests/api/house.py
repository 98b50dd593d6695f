"""Asks the API as somebody, and checks what every answer must be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import httpx
from litestar import Litestar
from litestar.testing import TestClient

ADMIN_PASSWORD: Final = "the administrator's password"
USER_PASSWORD: Final = "somebody else's password"
SECONDS: Final = 60.0
PREFIX: Final = "/api/v1"


class House:
    """The application behind its client; `ask` speaks as a role."""

    def __init__(self, client: TestClient[Litestar], folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.tokens: dict[str, str] = {"admin": self._first_token()}
        for role in ("maintainer", "viewer"):
            body = {"name": role, "role": role, "password": USER_PASSWORD}
            self.ask("POST", "/users", json=body, status=201)
            made = self.ask("POST", "/tokens", json={"name": "test", "user": role}, status=201)
            self.tokens[role] = made.json()["secret"]

    def ask(
        self, method: str, path: str, *, role: str | None = "admin", status: int | None = None, **more: Any
    ) -> httpx.Response:
        """The answer, in which nothing may be that never may; `status` is what it must be."""
        headers = {**more.pop("headers", {})}
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        answer = self.client.request(method, f"{PREFIX}{path}", headers=headers, **more)
        assert answer.status_code < 500 or answer.status_code == 502, f"{method} {path}: {answer.text[:1000]}"
        if answer.status_code >= 400:
            check_problem(answer)
        if status is not None:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer

    def wait(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job when it has ended."""
        deadline = time.monotonic() + SECONDS
        while job["state"] in ("queued", "running") and time.monotonic() < deadline:
            time.sleep(0.05)
            job = self.ask("GET", f"/jobs/{job['id']}", status=200).json()
        assert job["state"] == "done", job
        return job

    def _first_token(self) -> str:
        """As people get it: sign in, then ask with the session and its CSRF token."""
        page = self.client.get("/sign-in")
        token = page.text.partition('name="_csrf_token" value="')[2].partition('"')[0]
        form = {"name": "admin", "password": ADMIN_PASSWORD, "_csrf_token": token}
        signed_in = self.client.post("/sign-in", data=form, follow_redirects=False)
        assert signed_in.status_code == 303, signed_in.text[:1000]
        csrf = self.client.cookies["kubedash_csrf"]
        made = self.client.post(f"{PREFIX}/tokens", json={"name": "test"}, headers={"X-CSRF-Token": csrf})
        assert made.status_code == 201, made.text
        self.client.cookies.clear()
        secret: str = made.json()["secret"]
        return secret


def check_problem(answer: httpx.Response) -> None:
    """RFC 9457, with our own members."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text[:1000]
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert {"type", "title", "detail"} <= problem.keys()
    assert "Traceback" not in answer.text
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def fields_of(answer: httpx.Response) -> set[str]:
    found: dict[str, str] = answer.json().get("fields", {})
    return set(found)
