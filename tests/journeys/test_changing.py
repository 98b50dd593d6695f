"""Deleting, restoring and moving tags in a browser, on a real registry of the 2.8 kind."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from demo import push
from demo.registry_process import RegistryProcess
from demo.run import REGISTRY_PASSWORD, REGISTRY_USER
from tests.support.changing import digest_at, tags_at
from tests.support.visitor import Visitor

Visit = Callable[..., Visitor]
AUTH = (REGISTRY_USER, REGISTRY_PASSWORD)


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=15_000)


def looks_good(visitor: Visitor, name: str) -> None:
    """Accessible at this moment, and whole on a phone; a picture is kept."""
    visitor.picture(name)
    assert visitor.axe() == []
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.picture(f"{name}-phone")
    assert visitor.overflow() == []
    visitor.page.set_viewport_size({"width": 1280, "height": 800})


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_tag_is_deleted_and_restored(visit: Visit, registry: RegistryProcess, scripts: bool) -> None:
    repository = f"journeys/delete-{'a' if scripts else 'b'}"
    image = push.push_image(registry.url, repository, "1.0", AUTH, labels={"of": repository})
    push.push(registry.url, repository, "latest", image, AUTH)
    visitor = visit(java_script_enabled=scripts)
    page = visitor.page
    visitor.go(f"/r/sample/{repository}:1.0")
    page.get_by_text("Actions", exact=True).click()
    page.get_by_role("link", name="Delete the tag…").click()
    heading(page, f"Delete {repository}:1.0")
    if scripts:
        expect(page.get_by_role("link", name="Cancel").first).to_be_focused()
    expect(page.locator("section", has=page.locator("#stays"))).to_contain_text("latest")
    assert digest_at(registry.url, repository, "1.0", AUTH) == image.digest

    page.get_by_label("Type 1.0 to confirm").fill("1.0")
    page.get_by_role("button", name="Delete 1.0").click()
    heading(page, f"Deleted {repository}:1.0")
    expect(page).to_have_url(re.compile(rf"/r/sample/{repository}:1\.0/-/deletion/result\?at="))
    page.reload()
    heading(page, f"Deleted {repository}:1.0")
    expect(page.get_by_role("button", name="Restore 1.0")).to_be_visible()
    if scripts:
        looks_good(visitor, "deleted")
    assert digest_at(registry.url, repository, "1.0", AUTH) is None
    assert digest_at(registry.url, repository, "latest", AUTH) == image.digest

    page.get_by_role("link", name="History of the tag").click()
    expect(page.get_by_text("This tag does not exist any more.")).to_be_visible()
    if scripts:
        looks_good(visitor, "history of a deleted tag")
    page.get_by_role("link", name="Restore…").click()
    page.get_by_role("button", name="Restore 1.0").click()
    expect(page).to_have_url(re.compile(rf"/r/sample/{repository}:1\.0$"))
    expect(page.get_by_text("1.0 leads to")).to_be_visible()
    assert digest_at(registry.url, repository, "1.0", AUTH) == image.digest


def test_a_tag_is_moved_and_rolled_back(visit: Visit, registry: RegistryProcess) -> None:
    repository = "journeys/move"
    first = push.push_image(registry.url, repository, "1.0", AUTH, labels={"n": "1"})
    push.push(registry.url, repository, "stable", first, AUTH)
    second = push.push_image(registry.url, repository, "1.1", AUTH, labels={"n": "2"})
    visitor = visit()
    page = visitor.page
    visitor.go(f"/r/sample/{repository}:1.1")
    page.get_by_text("Actions", exact=True).click()
    page.get_by_role("link", name="Tag this image…").click()
    page.get_by_label("Tag", exact=True).fill("stable")
    page.get_by_role("button", name="See what it would do").click()
    heading(page, f"Move {repository}:stable")
    expect(page.locator("main")).to_contain_text(first.digest)
    expect(page.locator("main")).to_contain_text(second.digest)
    page.get_by_label("Type stable to confirm").fill("stable")
    page.get_by_role("button", name="Move stable").click()
    expect(page).to_have_url(re.compile(rf"{repository}:stable$"))
    assert digest_at(registry.url, repository, "stable", AUTH) == second.digest

    page.get_by_role("link", name="History").click()
    expect(page.locator("tbody")).to_contain_text("done here by admin")
    expect(page.locator("tr.chosen")).to_have_css("display", "table-row")
    looks_good(visitor, "history of a moved tag")
    page.get_by_role("link", name="Roll back…").click()
    heading(page, f"Roll back {repository}:stable")
    looks_good(visitor, "rolling back")
    page.get_by_label("Type stable to confirm").fill("stable")
    page.get_by_role("button", name="Roll back stable").click()
    expect(page).to_have_url(re.compile(rf"{repository}:stable$"))
    assert digest_at(registry.url, repository, "stable", AUTH) == first.digest
    assert digest_at(registry.url, repository, "1.1", AUTH) == second.digest


def test_a_copy_is_followed_to_its_end(visit: Visit, registry: RegistryProcess) -> None:
    layers = [push.make_layer({f"f{number}": f"{number}" * 9000}) for number in range(12)]
    image = push.push_image(registry.url, "journeys/copy", "1.0", AUTH, layers=layers)
    visitor = visit()
    page = visitor.page
    visitor.go("/r/sample/journeys/copy:1.0")
    page.get_by_text("Actions", exact=True).click()
    page.get_by_role("link", name="Copy to another place…").click()
    page.get_by_label("Repository").fill("journeys/promoted")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.locator("main")).to_contain_text("sample/journeys/promoted:1.0")
    page.get_by_role("button", name="Copy to sample").click()
    heading(page, "Copy to sample/journeys/promoted")
    # Nobody reloads the page: it hears of the end.
    expect(page.locator(".heading .chip")).to_have_text("done", timeout=60_000)
    looks_good(visitor, "copied")
    page.get_by_role("link", name="Open the copy").click()
    expect(page).to_have_url(re.compile(r"/r/sample/journeys/promoted:1\.0$"))
    assert digest_at(registry.url, "journeys/promoted", "1.0", AUTH) == image.digest


def test_many_tags_are_chosen_deleted_and_followed(visit: Visit, registry: RegistryProcess) -> None:
    repository = "journeys/many"
    for number in range(6):
        push.push_image(registry.url, repository, f"1.{number}", AUTH, labels={"n": str(number)})
    visitor = visit()
    page = visitor.page
    visitor.go(f"/r/sample/{repository}")
    boxes = page.locator("input[name=tag]")
    expect(boxes).to_have_count(6)
    boxes.nth(1).check()
    boxes.nth(4).click(modifiers=["Shift"])
    looks_good(visitor, "rows chosen")
    page.get_by_role("button", name="Delete…").click()
    heading(page, f"Delete tags of {repository}")
    expect(page.locator(".facts").first).to_contain_text("4 tags")
    looks_good(visitor, "deletion of many planned")
    page.get_by_label(f"Type {repository} to confirm").fill(repository)
    page.get_by_role("button", name="Delete 4 tags").click()
    heading(page, f"Deletion of tags of sample/{repository}")
    # Nobody reloads the page: it hears of the end.
    expect(page.locator(".heading .chip")).to_have_text("done", timeout=60_000)
    looks_good(visitor, "deletion of many done")
    assert tags_at(registry.url, repository, AUTH) == ["1.0", "1.5"]
    page.get_by_role("link", name="1.3", exact=True).click()
    page.get_by_role("link", name="Restore…").click()
    page.get_by_role("button", name="Restore 1.3").click()
    expect(page).to_have_url(re.compile(rf"/r/sample/{repository}:1\.3$"))
    assert tags_at(registry.url, repository, AUTH) == ["1.0", "1.3", "1.5"]
