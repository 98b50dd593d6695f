"""What holds for every page: themes, problems, headers, routes and templates."""

from __future__ import annotations

import re
from pathlib import Path

import minijinja
import pytest
from litestar.routes import HTTPRoute

from kubedash.web.rendering import TEMPLATES
from tests.support.pages import Site

LINES = 60
NOT_IN_THE_NAVIGATION = {
    "/-/events": "asked by scripts",
    "/-/live": "asked by scripts",
    "/-/patterns": "for those who build pages",
    "/events/charts": "a view of the events",
    "/events/export.csv": "a file that the timeline offers",
    "/events/export.json": "a file that the timeline offers",
    "/healthz": "for machines",
    "/jobs/{job_id:str}": "linked from the list of jobs",
    "/metrics": "for machines",
    "/readyz": "for machines",
    "/registries/new": "offered by the overview to administrators",
    "/search": "the header's form",
    "/static/{name:str}": "assets",
    "/{rest:path}": "the page for addresses that are none",
}
TEMPLATE_FILES = sorted(TEMPLATES.rglob("*.html"))


def test_patterns_show_every_component(admin: Site) -> None:
    page = admin.get_page("/-/patterns")
    shown = "".join(path.read_text() for path in (TEMPLATES / "patterns").glob("*.html"))
    macros = {
        (path.stem, name)
        for path in (TEMPLATES / "components").glob("*.html")
        for name in re.findall(r"{% macro (\w+)", path.read_text())
        if path.stem not in ("shell", "secret")
    }
    helpers = {"mark", "shown", "when", "other", "state", "notes", "described", "copy", "position", "reference_text"}
    missing = {name for stem, name in macros if f"{stem}.{name}(" not in shown} - helpers

    assert page.heading == "Patterns"
    assert not missing


def test_the_theme_is_remembered_without_scripts(admin: Site) -> None:
    page = admin.get_page("/account")
    assert page.find("html").get("data-theme") == "auto"
    answer = admin.post(page, "/-/theme", {"theme": "dark", "next": "/account"})

    assert answer.headers["location"] == "/account"
    assert admin.get_page("/account").find("html").get("data-theme") == "dark"
    assert admin.post(page, "/-/theme", {"theme": "pink"}).status_code == 422
    admin.client.cookies.set("kubedash_theme", "pink", domain="kubedash.test", path="/")


def test_an_address_that_is_none_says_so_to_people_and_programs(admin: Site, nobody: Site) -> None:
    page = nobody.get_page("/no/such/page", status=404)
    assert page.heading == "Not found"
    answer = nobody.get("/no/such/page", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    wrong_verb = nobody.client.put("/healthz")
    assert (wrong_verb.status_code, wrong_verb.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/sign-in", "GET, HEAD, OPTIONS, POST"),
        ("/r/prod/shop/api:1.0/-/deletion", "GET, HEAD, OPTIONS, POST"),
        ("/sign-out", "OPTIONS, POST"),
    ],
)
def test_an_address_names_every_method_that_it_takes(admin: Site, path: str, methods: str) -> None:
    assert admin.client.options(path).headers["allow"] == methods
    refused = admin.client.patch(path, headers={"X-CSRF-Token": admin.get_page("/").csrf})
    assert refused.status_code == 405
    assert refused.headers["allow"] == methods


def test_a_bug_of_ours_shows_its_request_and_nothing_else(admin: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*args: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr("kubedash.workflows.people.own_user", breaks)
    page = admin.get_page("/account", status=500)

    assert page.answer.headers["x-request-id"] in page.text
    assert "inner secret" not in page.html
    assert "Traceback" not in page.html


def test_machines_are_answered_without_a_session(nobody: Site) -> None:
    assert nobody.get("/healthz").text == "ok\n"
    assert nobody.get("/readyz").text == "ready\n"
    assert nobody.get("/metrics", headers={"Accept": "text/plain"}).status_code == 401
    head = nobody.client.head("/sign-in")
    assert (head.status_code, head.content) == (200, b"")


def test_a_store_that_does_not_answer_makes_us_not_ready(nobody: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(session: object) -> int:
        raise OSError("disk gone")

    monkeypatch.setattr("kubedash.storage.people.count", breaks)
    answer = nobody.get("/readyz")

    assert answer.status_code == 503
    assert "disk gone" not in answer.text


def test_the_first_visit_is_light(nobody: Site) -> None:
    page = nobody.get_page("/sign-in")
    paths = [element.get("href") or element.get("src") or "" for element in (*page.all("link"), *page.all("script"))]
    sizes = []
    for path in ("/sign-in", *paths):
        with nobody.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            sizes.append(sum(len(part) for part in answer.iter_raw()))

    assert sum(sizes) < 200_000


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity"])
def test_assets_are_compressed_and_kept_for_good(nobody: Site, encoding: str) -> None:
    path = nobody.get_page("/sign-in").find("link", rel="stylesheet").get("href") or ""
    with nobody.client.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
        assert answer.headers.get("content-encoding", "identity") == encoding
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert nobody.get("/static/app.css").status_code == 404
    assert nobody.get("/static/..%2Fmanifest.json").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/%ff%fe",
        "/r/a/%00",
        "/r/%2e%2e/x",
        "/r/prod/x:%3Cscript%3E",
        "/" + "a" * 5000,
        "/r/prod/-/",
        "/static/%2e%2e/app.css",
    ],
)
def test_strange_addresses_are_not_found(admin: Site, path: str) -> None:
    answer = admin.get(path, headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "<script>" not in answer.text


def test_too_much_at_once_is_refused(nobody: Site) -> None:
    page = nobody.get_page("/sign-in")
    answer = nobody.post(page, "/sign-in", {"name": "x" * 3_000_000, "password": "y"})

    assert answer.status_code == 413
    assert nobody.read(answer).heading == "Too much at once"


def test_what_is_no_form_is_refused_in_words(admin: Site) -> None:
    token = admin.get_page("/account").csrf
    answer = admin.client.post(
        "/account/password", content=b"{", headers={"X-CSRF-Token": token, "Content-Type": "application/json"}
    )

    assert answer.status_code in (303, 400, 415, 422)


@pytest.mark.parametrize("topic", ["", "topic=everything", "topic=registry:A", "topic=repository:a/../b%00"])
def test_the_live_stream_takes_known_topics_alone(admin: Site, topic: str) -> None:
    assert admin.get(f"/-/live?{topic}", headers={"Accept": "application/json"}).status_code == 422


def test_the_live_stream_is_not_for_strangers(nobody: Site) -> None:
    answer = nobody.get("/-/live?topic=registries", headers={"Accept": "application/json"})
    assert answer.status_code == 401


def test_a_look_at_the_live_stream_ends_at_once(admin: Site) -> None:
    answer = admin.client.head("/-/live?topic=registries")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_every_page_is_in_the_navigation_or_says_why_not(admin: Site) -> None:
    pages = {
        route.path
        for route in admin.client.app.routes
        if isinstance(route, HTTPRoute) and "GET" in route.methods and not route.path.startswith("/api/")
    }
    linked = {link.partition("?")[0] for link in admin.get_page("/account").links()}
    below_a_registry = {path for path in pages if path.startswith("/r/")}
    left = pages - linked - below_a_registry - {"/sign-in"}

    assert left == NOT_IN_THE_NAVIGATION.keys() & pages
    assert left <= NOT_IN_THE_NAVIGATION.keys()


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_parses_is_short_and_has_a_title(path: Path) -> None:
    text = path.read_text()
    minijinja.Environment().add_template(path.name, text)

    assert len(text.splitlines()) <= LINES
    assert "|safe" not in text
    assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", text)
    if text.startswith('{% extends "layouts/'):
        assert "{% block title %}" in text
