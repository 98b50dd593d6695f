"""Another site can make a browser send requests, and gets nowhere with them."""

from __future__ import annotations

import re

import pytest
from litestar.routes import HTTPRoute

from tests.support.pages import Site

_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")
_SAFE = {"GET", "HEAD", "OPTIONS"}


def _changing(site: Site) -> list[tuple[str, str]]:
    """Method and an address of every route that changes something."""

    def filled(match: re.Match[str]) -> str:
        return {"int": "1", "path": "a/-/sync"}.get(match[2], "admin")

    return sorted(
        (method, _PARAMETER.sub(filled, route.path).replace("//", "/"))
        for route in site.client.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods - _SAFE
    )


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
)
def test_nothing_changes_without_the_token_of_the_form(admin: Site, content_type: str) -> None:
    routes = _changing(admin)
    assert len(routes) > 20

    for method, path in routes:
        for token in ({}, {"X-CSRF-Token": "0" * 128}):
            headers = {"Content-Type": content_type, "Accept": "application/json", **token}
            answer = admin.client.request(method, admin.base + path, content=b"", headers=headers)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text[:300]}"

    assert admin.get_page("/account").heading


def test_no_other_site_may_read_an_answer(admin: Site) -> None:
    for path in ("/api/v1/me", "/", "/-/live?topic=none"):
        answer = admin.get(path, headers={"Origin": "https://elsewhere.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        asked = admin.client.options(
            admin.base + path,
            headers={"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "DELETE"},
        )
        assert not [name for name in asked.headers if name.startswith("access-control-")]
