"""From the door to a layer and out again, as a person goes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from demo.registry_process import RegistryProcess
from demo.run import REGISTRY_PASSWORD, REGISTRY_USER
from demo.server import ServerProcess
from tests.support.visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=15_000)


def _fill(page: Page, registry: RegistryProcess, password: str) -> None:
    page.locator("[name=name]").fill("team")
    page.locator("[name=title]").fill("Team registry")
    page.locator("[name=url]").fill(registry.url)
    page.locator("[name=username]").fill(REGISTRY_USER)
    page.locator("[name=password]").fill(password)


def _submit(page: Page) -> None:
    page.locator("main form:has([name=url]) button.btn-primary").first.click()


def test_adding_a_registry_and_finding_an_image(visit: Visit, house: ServerProcess, registry: RegistryProcess) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go("/")
    page.get_by_role("link", name=re.compile("add .*registry", re.IGNORECASE)).first.click()

    _fill(page, registry, "not the password")
    _submit(page)
    expect(page.get_by_role("alert").first).to_contain_text(re.compile("password|unauthori|refused", re.IGNORECASE))
    visitor.picture("wrong password")
    # A refused form answers 422, which the browser notes; what was typed is still there, and nothing is saved.
    visitor.complaints.clear()
    expect(page.locator("[name=url]")).to_have_value(registry.url)
    assert "team" not in {known["name"] for known in house.api("GET", "/registries")["items"]}

    page.locator("[name=password]").fill(REGISTRY_PASSWORD)
    _submit(page)
    page.wait_for_url(re.compile(r"/r/team"))
    visitor.go("/r/team")
    expect(page.locator("main")).to_contain_text("checkout-api")

    page.get_by_role("link", name=re.compile("checkout-api")).first.click()
    expect(page).to_have_url(re.compile(r"/r/team/shop/checkout-api$"))
    expect(page.locator("main")).to_contain_text("2.8.0")
    page.get_by_role("link", name="2.8.1", exact=True).first.click()
    expect(page).to_have_url(re.compile(r"/r/team/shop/checkout-api:2\.8\.1$"))
    expect(page.locator("main")).to_contain_text("Checkout API")

    for view, text in {
        "config": "checkout",
        "layers": "pip install",
        "labels": "org.label-schema.vcs-ref",
        "manifest": "application/vnd.oci.image.manifest.v1+json",
    }.items():
        page.locator(f"main a[href$='/-/{view}']").first.click()
        expect(page).to_have_url(re.compile(rf"/-/{view}$"))
        expect(page.locator("main")).to_contain_text(text)


def test_secrets_of_an_image_are_masked(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/r/sample/shop/checkout-api:2.8.1/-/config")
    assert "correct-horse-battery" not in visitor.page.content()
    assert "CHECKOUT_DATABASE_PASSWORD" in visitor.page.content()


def test_the_slash_searches_everything(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/")
    visitor.page.keyboard.press("/")
    visitor.page.keyboard.type("storefront")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url(re.compile(r"/search\?q=storefront"))
    expect(visitor.page.locator("main")).to_contain_text("shop/storefront")


def test_a_theme_is_chosen_and_kept(visit: Visit) -> None:
    visitor = visit(color_scheme="light")
    page = visitor.page
    visitor.go("/")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("details.menu summary").first.click()
    page.locator("[value=dark]").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    visitor.go("/r/sample")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_tags_sort_over_all_of_them(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/r/sample/platform/ci/runner?sort=created")
    expect(visitor.page.locator("main")).to_contain_text("1.0.0")
    visitor.go("/r/sample/platform/ci/runner?sort=-created")
    expect(visitor.page.locator("main")).to_contain_text("latest")


def test_hostile_text_stays_text(visit: Visit) -> None:
    visitor = visit()
    dialogs: list[str] = []
    visitor.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    alive = "a[href^='javascript:'], a[href^='data:'], main script, main [onerror], main [onmouseover]"
    for view in ("", "/-/config", "/-/layers", "/-/labels", "/-/manifest"):
        visitor.go(f"/r/sample/security/hostile-labels:nightly{view}")
        assert visitor.page.locator(alive).count() == 0
    assert dialogs == []


def test_a_page_hears_of_a_sync(visit: Visit, house: ServerProcess) -> None:
    visitor = visit()
    visitor.go("/r/sample")
    shown = visitor.page.locator("main time").first
    shown.wait_for()
    before = shown.get_attribute("datetime")
    assert house.sync("sample")["state"] == "done"
    expect(shown).not_to_have_attribute("datetime", before or "")


def test_signing_out_closes_the_door(visit: Visit, browser: object) -> None:
    visitor = visit(guest=True)
    visitor.sign_in("a wrong password")
    expect(visitor.page.get_by_role("alert").first).to_be_visible()
    visitor.complaints.clear()
    visitor.sign_in()
    expect(visitor.page.locator("details.menu")).to_be_visible()
    visitor.page.locator("details.menu summary").first.click()
    visitor.page.get_by_role("button", name=re.compile("sign out", re.IGNORECASE)).first.click()
    visitor.page.wait_for_url(re.compile("/sign-in"))
    visitor.go("/r/sample")
    assert "/sign-in" in visitor.page.url
