"""Two images side by side, on a real registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo import push
from demo.registry_process import RegistryProcess
from kubedash.records import Role
from kubedash.workflows import people
from tests.support import browsing
from tests.support.browsing import SECRET
from tests.support.pages import ADMIN, HOSTILE, Site

EVE = "a password of the viewer"
OTHER_SECRET = "battery-staple-horse"
NEW = "/r/sample/shop/app:2.0/-/compare"
INDEX = "/r/sample/shop/multi:3.0/-/compare"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with browsing.filled_registry(tmp_path_factory.mktemp("filled")) as process:
        layers = [push.make_layer({"base": "b"}), push.make_layer({"app": "c" * 4000})]
        config = {"Env": ["PATH=/usr/bin", f"DB_PASSWORD={OTHER_SECRET}", f"NEW={HOSTILE}"], "Cmd": ["serve", "--fast"]}
        push.push_image(process.url, "shop/app", "2.0", layers=layers, config=config, labels={HOSTILE: "changed"})
        kept = push.make_image(platform="linux/amd64")
        rebuilt = push.make_image(platform="linux/arm64", config={"User": "app"})
        push.push_index(process.url, "shop/multi", "3.0", [kept, rebuilt, push.make_image(platform="linux/riscv64")])
        yield process


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, registry: RegistryProcess) -> Iterator[Site]:
    with browsing.browsing_site(tmp_path_factory.mktemp("site"), registry) as site:
        site.call(people.add_user, ADMIN, "eve", Role.VIEWER, EVE)
        yield site


@pytest.fixture
def site(read: Site) -> Site:
    read.client.cookies.clear()
    read.sign_in()
    return read


def test_the_image_and_the_tag_list_lead_to_it(site: Site) -> None:
    assert NEW in site.get_page("/r/sample/shop/app:2.0").links()
    tags = site.get_page("/r/sample/shop/app")
    assert tags.find("form", id="selection").get("action") == "/r/sample/shop/app/-/compare"
    boxes = [box.get("value") for box in tags.all("input", name="tag", form="selection")]
    assert boxes == ["2.0", "1.10.0", "1.9.0", "latest"]
    chosen = site.get("/r/sample/shop/app/-/compare?tag=1.10.0&tag=2.0")
    assert chosen.headers["location"] == f"{NEW}?with=1.10.0"


def test_what_to_compare_with_can_be_chosen(site: Site) -> None:
    page = site.get_page(NEW)
    assert f"{NEW}?with=1.10.0" in page.links()
    assert f"{NEW}?with=2.0" not in page.links()
    site.get_page("/r/sample/shop/app/-/compare")
    page = site.get_page("/r/sample/shop/app/-/compare?tag=1.10.0", status=422)
    assert "Choose two" in page.text


def test_of_two_rows_of_a_list_the_older_comes_first(site: Site) -> None:
    """All of them say that they were made at the same time; the list has the newer versions first."""
    chosen = site.get("/r/sample/shop/app/-/compare?order=list&tag=2.0&tag=1.9.0")
    assert chosen.headers["location"] == f"{NEW}?with=1.9.0"
    site.get_page("/r/sample/shop/app/-/compare?order=list&tag=2.0&tag=nope", status=404)


def test_differences_are_told_and_the_rest_is_not(site: Site) -> None:
    page = site.get_page(f"{NEW}?with=1.10.0")
    assert page.heading.replace(" ", "") == "sample/shop/app:2.0"
    for shown in ('["serve", "--fast"]', "80/tcp", "NEW", HOSTILE, "1 new layer", "1 old layer", "Stop signal"):
        assert shown in page.text, shown
    rows = {page.text_of(row.find("th")): page.text_of(row) for row in page.all("tr") if row.find("th") is not None}
    assert "changed" in rows["Command"]
    assert "removed" in rows["User"]
    assert "PATH" not in rows
    words = [page.text_of(mark) for mark in page.all("span") if "mark-" in (mark.get("class") or "")]
    assert words.count("= kept") == 1


def test_secrets_differ_without_being_told(site: Site) -> None:
    page = site.get_page(f"{NEW}?with=1.10.0")
    assert SECRET not in page.html
    assert OTHER_SECRET not in page.html
    assert "DB_PASSWORD" in page.text
    assert "Show them" in page.text
    revealed = site.get_page(f"{NEW}?with=1.10.0&reveal=1")
    assert SECRET in revealed.text
    assert OTHER_SECRET in revealed.text


def test_a_viewer_may_compare_and_not_reveal(read: Site) -> None:
    read.client.cookies.clear()
    read.sign_in("eve", EVE)
    page = read.get_page(f"{NEW}?with=1.10.0")
    assert "DB_PASSWORD" in page.text
    assert SECRET not in page.html
    assert "Show them" not in page.text
    assert SECRET not in read.get_page(f"{NEW}?with=1.10.0&reveal=1", status=403).html


def test_the_same_manifest_is_the_same(site: Site) -> None:
    page = site.get_page("/r/sample/shop/app:latest/-/compare?with=1.10.0")
    assert "nothing differs" in page.text


def test_indexes_are_compared_platform_by_platform(site: Site) -> None:
    page = site.get_page(f"{INDEX}?with=2.0")
    rows = {page.text_of(row.find("th")): page.text_of(row) for row in page.all("tr") if row.find("th") is not None}
    assert "the same" in rows["linux/amd64"]
    assert "added" in rows["linux/riscv64"]
    assert "changed" in rows["linux/arm64shown below"]
    assert "User" in rows
    alone = site.get_page(f"{INDEX}?with=2.0&platform=linux/riscv64")
    assert "Only the newer one has this platform" in alone.text


def test_another_repository_is_named_in_full(site: Site) -> None:
    page = site.get_page(f"{NEW}?with=sample/shop/multi:3.0")
    assert "/r/sample/shop/multi:3.0" in page.links()
    assert "/r/sample/shop/multi:3.0/-/compare?with=sample%2Fshop%2Fapp%3A2.0" in page.links()


@pytest.mark.parametrize(
    ("other", "status"), [("nope", 404), ("not a tag", 422), ("nowhere/shop/app:1", 404), ("sample/shop/nope:1", 404)]
)
def test_what_cannot_be_compared_is_said_above_the_form(site: Site, other: str, status: int) -> None:
    page = site.get_page(f"{NEW}?with={other}", status=status)
    field = page.find("input", name="with")
    assert field.get("value") == other
    assert page.all("div", role="alert")
