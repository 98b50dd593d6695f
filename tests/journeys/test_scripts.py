"""What scripts add to the pages: keys, palette, copying, remembered choices, live refresh; and life without them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from demo.plant import Planter
from demo.push import make_image, push_image
from demo.registry_process import RegistryProcess
from demo.run import REGISTRY_PASSWORD, REGISTRY_USER
from tests.support.visitor import Visitor

Visit = Callable[..., Visitor]
TAGS = "/r/sample/shop/storefront"
IMAGE = "/r/sample/shop/storefront:5.2.0"
SHOWN = "[data-pull] code[data-tool]:not([hidden])"
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
WATCH_COPY = "document.addEventListener('copy', (event) => { window.copied = event.target.value; }, true)"

SYNC = """(path) => fetch(path, {
  method: "POST", redirect: "manual",
  headers: { "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content },
}).then(() => null)"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=15_000)


def test_a_list_is_walked_and_opened_by_keys(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go(TAGS)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator("[data-row]").first

    expect(first).to_have_class(re.compile("current"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/r/sample/shop/storefront:"))
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page).to_have_url(re.compile(r"^http://[^/]+/$"))


def test_no_key_works_while_typing(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/account")
    visitor.page.locator("#name").fill("")
    visitor.page.locator("#name").type("j?gr/y")

    expect(visitor.page.locator("#name")).to_have_value("j?gr/y")
    expect(visitor.page.locator("#keys")).not_to_be_visible()


def test_the_help_lists_the_keys(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/")
    visitor.page.keyboard.press("?")

    expect(visitor.page.locator("#keys")).to_be_visible()
    assert visitor.axe() == []
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.locator("#keys")).not_to_be_visible()


def test_the_palette_goes_to_pages_and_finds(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go("/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-list li").first).to_contain_text("Registries")
    page.keyboard.type("checkout-api")
    expect(page.locator("#palette-list li").first).to_contain_text("shop/checkout-api")
    assert visitor.axe() == []
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/r/sample/shop/checkout-api$"))


def test_the_pull_tool_is_chosen_once(visit: Visit) -> None:
    visitor = visit()
    visitor.go(IMAGE)
    visitor.page.locator("[data-pull-tool]").select_option("podman")
    expect(visitor.page.locator(SHOWN)).to_contain_text("podman pull")
    visitor.go("/r/sample/shop/cart:1.4.0")

    expect(visitor.page.locator(SHOWN)).to_contain_text("podman pull")


def test_copying_works_where_the_clipboard_is_not_offered(visit: Visit) -> None:
    visitor = visit()
    visitor.page.add_init_script(f"{NO_CLIPBOARD}; {WATCH_COPY};")
    visitor.go(IMAGE)
    visitor.page.locator("[data-copy-pull]").click()

    expect(visitor.page.locator("[data-copy-pull]")).to_have_attribute("title", "Copied")
    copied = visitor.page.evaluate("window.copied")
    assert copied == visitor.page.locator(SHOWN).inner_text()
    assert copied.startswith("docker pull ")


def test_a_change_arrives_without_loading_the_page_again(visit: Visit) -> None:
    visitor, other = visit(), visit()
    page = visitor.page
    visitor.go("/r/sample")
    page.evaluate("window.same = document.querySelector('main')")
    expect(page.locator("main")).to_contain_text("storefront")
    with page.expect_response(lambda answer: answer.url.endswith("/r/sample") and answer.request.method == "GET"):
        other.go("/r/sample")
        other.page.locator("form[action$='/-/sync'] button").first.click()

    expect(page.locator("main")).to_contain_text("storefront")
    assert page.evaluate("window.same === document.querySelector('main')")


def test_everything_can_be_read_and_sent_without_scripts(visit: Visit) -> None:
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    visitor.go(IMAGE)
    expect(page.locator("main")).to_contain_text("docker pull")
    expect(page.locator("main .copy").first).to_be_hidden()
    page.locator("form[action$='/-/sync'] button").first.click()
    expect(page).to_have_url(re.compile(re.escape("shop/storefront")))
    visitor.go("/account")
    page.locator("#name").fill("without scripts")
    page.get_by_role("button", name="Create token").click()
    expect(page.locator(".token-once")).to_contain_text("kd_")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_doors_have_no_accessibility_violations(visit: Visit, scheme: str) -> None:
    visitor = visit(guest=True, color_scheme=scheme, viewport={"width": 390, "height": 844})
    visitor.go("/sign-in?next=%2Faccount")
    assert visitor.axe() == []
    assert visitor.overflow() == []
    visitor.picture(f"sign-in {scheme}")
    visitor.go("/no/such/page")
    assert visitor.axe() == []
    visitor.complaints.clear()


def test_rows_are_chosen_one_by_one_by_a_range_and_all(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go("/r/sample/platform/ci/runner?sort=name")
    boxes, bar = page.locator("input[name=tag]"), page.locator("#selection")
    expect(bar).to_be_hidden()
    boxes.nth(1).check()
    boxes.nth(4).click(modifiers=["Shift"])

    expect(page.locator("input[name=tag]:checked")).to_have_count(4)
    expect(bar.locator("[data-selected]")).to_have_text("4 selected")
    expect(bar.get_by_role("button", name="Compare two")).to_be_disabled()
    boxes.nth(2).click()
    boxes.nth(4).click(modifiers=["Shift"])
    expect(bar.locator("[data-selected]")).to_have_text("1 selected")
    page.locator("[data-select-all]").check()
    expect(bar.locator("[data-selected]")).to_have_text("100 selected")
    assert visitor.axe() == []
    bar.get_by_role("button", name="Clear").click()
    expect(bar).to_be_hidden()


def test_what_is_chosen_stays_chosen_when_the_page_is_drawn_again(visit: Visit, registry: RegistryProcess) -> None:
    repository = "journeys/chosen"
    auth = (REGISTRY_USER, REGISTRY_PASSWORD)
    for tag in ("1.0", "1.1"):
        push_image(registry.url, repository, tag, auth, labels={"of": f"{repository}:{tag}"})
    visitor = visit()
    page = visitor.page
    visitor.go(f"/r/sample/{repository}")
    for tag in ("1.0", "1.1"):
        page.locator(f'input[name=tag][value="{tag}"]').check()
    push_image(registry.url, repository, "1.2", auth, labels={"of": f"{repository}:1.2"})
    page.evaluate(SYNC, f"/r/sample/{repository}/-/sync")
    expect(page.locator('input[name=tag][value="1.2"]')).to_be_visible()

    expect(page.locator("input[name=tag]:checked")).to_have_count(2)
    page.get_by_role("button", name="Compare two").click()
    expect(page).to_have_url(re.compile(rf"{repository}:1\.1/-/compare\?with=1\.0"))


def test_a_refresh_that_ends_before_the_page_listens_is_not_missed(visit: Visit, registry: RegistryProcess) -> None:
    repository = "journeys/early"
    # Put there, not pushed: of a push the registry would tell, and the page might come too late to ask.
    Planter(registry.storage).plant(repository, "1.0", make_image(labels={"of": repository}))
    visitor = visit()
    page = visitor.page
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/-/live?**", hold)
    visitor.go(f"/r/sample/{repository}")
    job = page.locator("#main").get_attribute("data-live").partition(" job:")[2]
    assert job
    state = f"() => fetch('/api/v1/jobs/{job}').then((answer) => answer.json()).then((job) => job.state === 'done')"
    page.wait_for_function(state)
    with page.expect_request(lambda request: repository in request.url and "hx-request" in request.headers):
        for route in held:
            route.continue_()
    page.unroute("**/-/live?**")
    expect(page.locator('input[name=tag][value="1.0"]')).to_be_visible()
