"""Every page: accessible in both themes, whole on a phone, readable without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, expect

from demo.charts import NAME as CHART
from demo.server import ServerProcess
from tests.support.visitor import Visitor

RUNNER: Final = "/r/sample/platform/ci/runner"
CHECKOUT: Final = "/r/sample/shop/checkout-api:2.8.1"
STOREFRONT: Final = "/r/sample/shop/storefront:5.2.0"
PAGES: Final = {
    "overview": "/",
    "add registry": "/registries/new",
    "image list": "/r/sample",
    "image list in a folder": "/r/sample?namespace=platform",
    "image list without a match": "/r/sample?q=nothing-like-this",
    "registry settings": "/r/sample/-/settings",
    "tag list": RUNNER,
    "tag list by date": f"{RUNNER}?sort=-created",
    "tag list without a match": f"{RUNNER}?q=nothing-like-this",
    "tag list of an emptied repository": "/r/sample/platform/ci/retired",
    "tag list with attachments": "/r/sample/shop/checkout-api",
    "image": CHECKOUT,
    "configuration": f"{CHECKOUT}/-/config",
    "layers": f"{CHECKOUT}/-/layers",
    "labels": f"{CHECKOUT}/-/labels",
    "manifest": f"{CHECKOUT}/-/manifest",
    "comparison": f"{CHECKOUT}/-/compare?with=2.8.0",
    "choosing a comparison": f"{CHECKOUT}/-/compare",
    "choosing two to compare": "/r/sample/shop/checkout-api/-/compare",
    "deletion": f"{CHECKOUT}/-/deletion",
    "deletion with its attachments": f"{STOREFRONT.replace('5.2.0', '5.1.3')}/-/deletion?orphans=take",
    "tagging": f"{CHECKOUT}/-/tagging",
    "a new tag": f"{CHECKOUT}/-/tagging?tag=stable",
    "a moving tag": "/r/sample/shop/checkout-api:2.8.0/-/tagging?tag=latest",
    "history": f"{CHECKOUT}/-/history",
    "where to copy": f"{CHECKOUT}/-/copy",
    "copy": f"{CHECKOUT}/-/copy?registry=sample&repository=shop/promoted&tag=1",
    "jobs": "/jobs",
    "rules of a deletion": "/r/sample/platform/ci/runner/-/deletion",
    "deletion of many": "/r/sample/platform/ci/runner/-/deletion?patterns=*&keep_newest=200",
    "deleted tags": "/r/sample/platform/ci/retired/-/deleted",
    "index": STOREFRONT,
    "index comparison": f"{STOREFRONT}/-/compare?with=5.1.3",
    "index manifest": f"{STOREFRONT}/-/manifest",
    "chart": f"/r/sample/platform/charts/{CHART}:3.4.0",
    "schema 2 image": "/r/sample/platform/legacy/billing:1.9.0",
    "bare image": "/r/sample/platform/base/static:1.0",
    "bare configuration": "/r/sample/platform/base/static:1.0/-/config",
    "hostile image": "/r/sample/security/hostile-labels:nightly",
    "hostile configuration": "/r/sample/security/hostile-labels:nightly/-/config",
    "hostile labels": "/r/sample/security/hostile-labels:nightly/-/labels",
    "hostile layers": "/r/sample/security/hostile-labels:nightly/-/layers",
    "files": "/r/sample/data/forecast:latest",
    "search": "/search?q=check",
    "search without a match": "/search?q=nothing-like-this",
    "events": "/events",
    "events without a match": "/events?actor=nobody-of-that-name",
    "event charts": "/events/charts",
    "events of a registry": "/r/sample/-/events",
    "events of a repository": "/r/sample/shop/cart/-/events?action=push",
    "events of an image": f"{CHECKOUT}/-/events",
    "no events": "/r/sample/data/forecast/-/events",
    "event settings": "/r/sample/-/settings/events",
    "account": "/account",
    "users": "/admin/users",
    "forwarding": "/admin/forwards",
    "audit trail": "/admin/audit",
    "audit trail without a match": "/admin/audit?target=nothing-like-this",
    "patterns": "/-/patterns",
}
MISSING: Final = {
    "no such page": "/no/such/page",
    "no such registry": "/r/nowhere",
    "no such repository": "/r/sample/nothing/here",
    "no such tag": "/r/sample/shop/checkout-api:nothing",
}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
Visit = Callable[..., Visitor]
_HINTS: Final = "row => ['::before', '::after'].map(edge => getComputedStyle(row, edge).opacity)"
"""How visible the marks at both ends of the tabs are."""


@pytest.fixture(scope="module")
def reader(browser: Browser, house: ServerProcess, signed_in: Any) -> Iterator[Visitor]:
    """One person who reads page after page."""
    context = browser.new_context(storage_state=signed_in, reduced_motion="reduce")
    yield Visitor(house.url, context.new_page())
    context.close()


@pytest.fixture(scope="module")
def plain_reader(browser: Browser, house: ServerProcess, signed_in: Any) -> Iterator[Visitor]:
    """The same without scripts."""
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False)
    yield Visitor(house.url, context.new_page())
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(reader: Visitor, name: str) -> None:
    reader.complaints.clear()
    reader.page.set_viewport_size({"width": 1280, "height": 800})
    assert reader.go(PAGES[name]).status == 200
    assert reader.page.locator("h1").count() == 1
    found = [f"wide screen: {element} sticks out" for element in reader.overflow()]
    for scheme in SCHEMES:
        reader.page.emulate_media(color_scheme=scheme)
        reader.picture(f"{name}-{scheme}")
        found += [f"{scheme}: {violation}" for violation in reader.axe()]
    reader.page.set_viewport_size({"width": 390, "height": 844})
    reader.picture(f"{name}-phone")
    found += [f"phone: {element} sticks out" for element in reader.overflow()]
    assert found + reader.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_without_scripts(plain_reader: Visitor, name: str) -> None:
    assert plain_reader.go(PAGES[name]).status == 200
    assert plain_reader.page.title()
    assert plain_reader.page.locator("main").is_visible()
    assert plain_reader.page.locator("h1").inner_text().strip()
    # What scripts would fill in later must not be needed for reading.
    assert len(plain_reader.page.locator("main").inner_text()) > 40


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_tabs_are_one_line_on_a_phone_and_say_that_there_are_more(visit: Visit, scripts: bool) -> None:
    visitor = visit(java_script_enabled=scripts, viewport={"width": 390, "height": 844})
    page = visitor.page
    visitor.go(CHECKOUT)
    row = page.get_by_role("navigation", name="Views")
    box = row.bounding_box()
    assert box is not None
    assert box["height"] < 44, "the tabs wrap"
    # What says so is there at the end that has more, and only there.
    assert row.evaluate(_HINTS) == ["0", "1"]
    for tab in row.get_by_role("link").all():
        page.keyboard.press("Tab") if tab.evaluate("tab => tab.previousElementSibling !== null") else tab.focus()
        expect(tab).to_be_focused()
        expect(tab).to_be_in_viewport(ratio=0.95 if scripts else 0.1)
    assert row.evaluate(_HINTS) == ["1", "0"]
    visitor.go(f"{CHECKOUT}/-/history")
    expect(page.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=0.95)
    if scripts:
        assert visitor.axe() == []
    page.set_viewport_size({"width": 1280, "height": 800})
    visitor.go(CHECKOUT)
    assert row.evaluate(_HINTS) == ["0", "0"]


@pytest.mark.parametrize("name", MISSING)
def test_what_is_not_there_says_so(visit: Visit, name: str) -> None:
    visitor = visit()
    answer = visitor.go(MISSING[name])
    assert answer.status == 404
    # The browser notes the status of the page itself; that is what was asked for here.
    visitor.complaints.clear()
    visitor.picture(name)
    assert visitor.page.locator("h1").count() == 1
    assert visitor.axe() == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_door_is_accessible(visit: Visit, scheme: str) -> None:
    visitor = visit(guest=True, color_scheme=scheme)
    visitor.go("/")
    assert "/sign-in" in visitor.page.url
    visitor.picture(f"sign in-{scheme}")
    assert visitor.axe() == []
