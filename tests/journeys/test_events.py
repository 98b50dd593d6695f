"""Events as a person watches them: a real push arrives in an open page, and nothing in an event runs."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route, expect

from demo import activity
from demo.registry_process import RegistryProcess
from demo.server import ServerProcess
from tests.support.visitor import Visitor

Visit = Callable[..., Visitor]
TIMELINE: Final = "/r/sample/shop/cart/-/events"
HOSTILE: Final = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
PAINTED: Final = """() => {
  const canvas = document.querySelector("[data-chart=series] canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, seen] = data.slice(at, at + 4);
    if (seen > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) found += 1;
  }
  return found;
}"""
"""How many pixels of the chart have a colour; axes and grid are grey."""
ALIVE: Final = "main script, main img, main [onerror], a[href^='javascript:'], a[href^='data:']"


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=30_000)
    yield
    expect.set_options(timeout=15_000)


def copy(registry: RegistryProcess, tag: str) -> None:
    """`ci` gives the cart another tag, with skopeo."""
    here = f"docker://{registry.url.removeprefix('http://')}/{activity.CART}"
    credentials = f"ci:{activity.PASSWORD}"
    subprocess.run(
        [
            "skopeo",
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            f"--src-creds={credentials}",
            f"--dest-creds={credentials}",
            f"{here}:1.5.0",
            f"{here}:{tag}",
        ],
        check=True,
        capture_output=True,
    )


def post(house: ServerProcess, *events: dict[str, Any]) -> None:
    """As anybody may who reaches the server."""
    request = urllib.request.Request(
        f"{house.url}/plugins/registry/events",
        data=json.dumps({"events": events}).encode(),
        headers={"Content-Type": "application/vnd.docker.distribution.events.v2+json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in (200, 202)


def watch(visitor: Visitor, path: str) -> Page:
    """Opens a timeline and waits until it listens; `window.same` tells whether it was loaded again."""
    visitor.go(path)
    expect(visitor.page.locator("[data-live-mark]")).to_have_attribute("data-state", "live")
    visitor.page.evaluate("window.same = true")
    return visitor.page


def pushed(page: Page, tag: str) -> Any:
    return page.locator(".event", has_text=f"ci pushed {activity.CART}:{tag}")


def test_a_push_appears_in_an_open_page(visit: Visit, registry: RegistryProcess) -> None:
    visitor = visit()
    page = watch(visitor, "/events")
    copy(registry, "live-1")

    expect(pushed(page, "live-1")).to_have_count(1)
    expect(pushed(page, "live-1")).to_have_class(re.compile("glow"))
    assert page.evaluate("window.same")
    expect(page.locator(".day h2").first).to_contain_text("Today")
    assert visitor.axe() == []
    # Read again it stands there once, and says the same.
    visitor.go("/events")
    expect(pushed(page, "live-1")).to_have_count(1)


def test_a_paused_page_stands_still_and_catches_up(visit: Visit, registry: RegistryProcess) -> None:
    page = watch(visit(), TIMELINE)
    button = page.locator("[data-live-pause]")
    button.click()
    expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "paused")
    copy(registry, "live-2")

    expect(button).to_have_text(re.compile(r"Resume, \d+ new"))
    expect(pushed(page, "live-2")).to_have_count(0)
    button.click()
    expect(pushed(page, "live-2")).to_have_count(1)


def test_a_flood_while_paused_is_there_afterwards(visit: Visit, house: ServerProcess) -> None:
    page = watch(visit(), "/events")
    button = page.locator("[data-live-pause]")
    button.click()
    request = {"addr": "10.1.1.1", "method": "PUT", "useragent": "flood"}
    post(
        house,
        *(
            {"action": "push", "id": f"flood-{n}", "target": {"repository": "flood", "tag": f"{n}"}, "request": request}
            for n in range(300)
        ),
    )

    expect(button).to_have_text("Resume, many new")
    button.click()
    expect(page.locator(".event", has_text="flood:299")).to_have_count(1)
    assert page.evaluate("window.same")


def test_a_broken_line_loses_nothing_and_repeats_nothing(visit: Visit, registry: RegistryProcess) -> None:
    page = watch(visit(), TIMELINE)
    copy(registry, "live-3")
    expect(pushed(page, "live-3")).to_have_count(1)
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    copy(registry, "live-4")
    page.evaluate("window.dispatchEvent(new Event('pageshow'))")

    expect(pushed(page, "live-4")).to_have_count(1)
    expect(pushed(page, "live-3")).to_have_count(1)
    assert page.evaluate("window.same")


def test_pulls_of_one_client_become_one_line(visit: Visit, registry: RegistryProcess) -> None:
    page = watch(visit(), TIMELINE + "?actor=node-2")
    node = activity.Person(registry.url, "node-2")
    for _ in range(3):
        node.pull(activity.CART, "1.5.0")
    node.leave()
    top = page.locator(".event").first

    expect(top).to_contain_text(f"node-2 pulled {activity.CART}:")
    expect(top).to_contain_text(re.compile(r"[3-9] pulls, [6-9] requests"))
    assert page.locator(".event").count() <= 2


def test_what_is_part_of_a_pull_says_so_where_it_stands_alone(visit: Visit, house: ServerProcess) -> None:
    index, part = (f"sha256:{letter * 64}" for letter in "12")
    alone, whole = visit(), visit()
    pages = watch(alone, f"/events?digest={part}"), watch(whole, "/events?actor=parts")
    request = {"addr": "10.2.2.2", "method": "GET", "useragent": "skopeo/1"}
    for number, target in enumerate(
        [
            {"digest": index, "tag": "1.0", "mediaType": "application/vnd.oci.image.index.v1+json"},
            {"digest": part, "mediaType": "application/vnd.oci.image.manifest.v1+json"},
        ]
    ):
        event = {"id": f"part-{number}", "action": "pull", "timestamp": datetime.now(UTC).isoformat()}
        event |= {"actor": {"name": "parts"}, "request": request, "source": {"addr": "x", "instanceID": "x"}}
        post(house, event | {"target": {"repository": "some/parts", **target}})

    for _ in ("live", "read again"):
        line, other = (page.locator(".event").first for page in pages)
        expect(line.locator('[data-mark="part of a pull"]')).to_have_count(1)
        expect(other).to_contain_text("parts pulled some/parts:1.0")
        expect(other).to_contain_text("1 pull, 2 requests")
        expect(other.locator('[data-mark="part of a pull"]')).to_have_count(0)
        for page in pages:
            expect(page.locator(".event")).to_have_count(1)
            page.reload()
    pages[0].locator(".event-unfold").click()
    expect(pages[0].locator(".event-more")).to_contain_text("part of a pull")
    assert alone.axe() == []


def test_who_has_signed_out_elsewhere_is_asked_to_sign_in(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/-/events?**", hold)
    with page.expect_request("**/-/events?**"):
        visitor.go(TIMELINE)
    page.context.clear_cookies()
    for route in held:
        route.continue_()
    page.wait_for_url("**/sign-in?next=**")
    # The stream's refusal is what this is about.
    visitor.complaints.clear()


def test_nothing_in_an_event_runs(visit: Visit, house: ServerProcess) -> None:
    visitor = visit()
    dialogs: list[str] = []
    visitor.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page = watch(visitor, "/events")
    target = {
        "repository": HOSTILE,
        "tag": HOSTILE,
        "mediaType": HOSTILE,
        "digest": HOSTILE,
        "url": "javascript:alert(3)",
    }
    asked = {"addr": HOSTILE, "useragent": HOSTILE, "method": HOSTILE, "host": HOSTILE}
    post(house, {"id": HOSTILE, "action": "push", "target": target, "request": asked, "actor": {"name": HOSTILE}})

    line = page.locator(".event", has_text="<img src=x").first
    expect(line).to_contain_text("not authenticated")
    assert page.locator(ALIVE).count() == 0
    line.locator(".event-unfold").click()
    expect(page.locator(".event-more")).to_contain_text("<script>alert(2)</script>")
    assert page.locator(ALIVE).count() == 0
    visitor.go("/events/charts?range=24h")
    assert page.locator(ALIVE).count() == 0
    assert dialogs == []


def test_charts_are_drawn_from_their_tables(visit: Visit) -> None:
    visitor = visit()
    visitor.go("/events/charts?range=24h")
    page = visitor.page

    expect(page.locator("[data-chart=series] canvas")).to_be_visible()
    expect(page.locator("[data-chart=series] > svg")).to_be_hidden()
    expect(page.locator(".u-legend")).to_contain_text("Pushes")
    # What has just happened is the last bar; it is painted, in the colours of the legend.
    assert page.evaluate(PAINTED) > 50
    assert visitor.axe() == []


def test_timelines_are_read_without_scripts(visit: Visit) -> None:
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    visitor.go(TIMELINE)
    expect(page.locator(".event").first).to_be_visible()
    expect(page.locator("[data-live-mark]")).to_be_hidden()
    page.locator(".event-unfold").first.click()
    expect(page.locator(".event-more")).to_contain_text("Event id")
    page.locator("summary", has_text="Filter").click()
    page.locator("input[name=actor]").fill("alice")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("actor=alice"))
    for line in page.locator(".event-said").all_inner_texts():
        assert line.startswith("alice ")
