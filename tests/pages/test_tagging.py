"""Adding and moving tags, their history, and the ways back; and every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import push
from demo.registry_process import RegistryProcess
from tests.support.changing import EVE, add, changing_site, crawl, digest_at, hidden, tags_at
from tests.support.pages import Site


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, open_registry: RegistryProcess) -> Iterator[Site]:
    """Adding and moving tags is no deletion: it is there where DELETE_IMAGES is off."""
    with changing_site(tmp_path_factory.mktemp("site"), open_registry.url, DELETE_IMAGES="false") as site:
        site.call(add, "guarded", open_registry.url, ("v*",))
        yield site


def two(url: str, repository: str) -> tuple[push.Sample, push.Sample]:
    """`1.0` and `latest` on the first image, `2.0` on the second."""
    first = push.push_image(url, repository, "1.0", labels={"of": repository})
    push.push(url, repository, "latest", first)
    return first, push.push_image(url, repository, "2.0", labels={"of": f"{repository} again"})


def test_a_new_tag_leads_to_the_same_bytes(site: Site, url: str) -> None:
    first, _ = two(url, "tagging/new")
    place = "/r/sample/tagging/new:1.0"
    assert f"{place}/-/tagging" in site.get_page(place).links()
    asking = site.get_page(f"{place}/-/tagging")
    assert asking.find("form", action=f"{place}/-/tagging").get("method") == "get"
    page = site.get_page(f"{place}/-/tagging?tag=stable")
    assert page.heading == "Add tagging/new:stable"
    assert "the tag does not exist" in page.text
    assert not page.all("input", name="confirm")
    assert tags_at(url, "tagging/new") == ["1.0", "2.0", "latest"]
    done = site.post(page, f"{place}/-/tagging", hidden(page, f"{place}/-/tagging"))
    assert done.headers["location"] == "/r/sample/tagging/new:stable"
    assert f"stable leads to {first.digest} now" in site.get_page("/r/sample/tagging/new:stable").text
    assert digest_at(url, "tagging/new", "stable") == first.digest


def test_a_new_tag_that_will_be_protected_says_that_there_is_no_way_back(site: Site, url: str) -> None:
    two(url, "tagging/kept")
    page = site.get_page("/r/guarded/tagging/kept:1.0/-/tagging?tag=v9")
    assert "the pattern v* protects it, and it can be neither moved nor deleted" in page.text
    assert "Delete the tag again" not in page.text


def test_what_a_registry_does_not_take_is_told_at_an_address_of_its_own(site: Site, tmp_path: Path) -> None:
    with RegistryProcess(tmp_path) as open_for_now:
        two(open_for_now.url, "tagging/shut")
    with RegistryProcess(tmp_path, read_only=True) as shut:
        site.call(add, "shut", shut.url)
        place = "/r/shut/tagging/shut:1.0/-/tagging"
        page = site.get_page(f"{place}?tag=stable")
        answer = site.post(page, place, hidden(page, place))
        told = answer.headers["location"]
        assert told.startswith("/r/shut/tagging/shut:stable/-/tagging/result?at=")
        page = site.follow(answer)
        assert page.heading == "Not done: tagging/shut:stable"
        verdict = page.text_of(page.find("div", role="status"))
        assert "The registry did not take it: stable does not exist. The registry answered" in verdict
        assert tags_at(shut.url, "tagging/shut") == ["1.0", "2.0", "latest"]
    # Whether the registry answers does not matter any more: what is recorded is read.
    again = site.get_page(told)
    assert again.text_of(again.find("div", role="status")) == verdict
    site.client.cookies.clear()
    site.sign_in("eve", EVE)
    assert "tags:write" in site.get_page(told, status=403).text


def test_a_move_shows_both_digests_and_wants_the_name(site: Site, url: str) -> None:
    first, second = two(url, "tagging/move")
    place = "/r/sample/tagging/move:2.0"
    page = site.get_page(f"{place}/-/tagging?tag=latest")
    assert page.heading == "Move tagging/move:latest"
    assert first.digest in page.text
    assert second.digest in page.text
    assert page.find("a", autofocus="").get("href") == place
    sent = hidden(page, f"{place}/-/tagging")
    refused = site.read(site.post(page, f"{place}/-/tagging", {**sent, "confirm": "2.0"}))
    assert refused.answer.status_code == 422
    assert digest_at(url, "tagging/move", "latest") == first.digest
    done = site.post(page, f"{place}/-/tagging", {**sent, "confirm": "latest"})
    assert done.status_code == 303
    assert digest_at(url, "tagging/move", "latest") == second.digest
    assert digest_at(url, "tagging/move", "1.0") == first.digest


def test_a_tag_that_moved_meanwhile_is_left_alone(site: Site, url: str) -> None:
    first, second = two(url, "tagging/moved")
    place = "/r/sample/tagging/moved:2.0"
    page = site.get_page(f"{place}/-/tagging?tag=latest")
    third = push.push_image(url, "tagging/moved", "latest", labels={"n": "third"})
    sent = {**hidden(page, f"{place}/-/tagging"), "confirm": "latest"}
    answer = site.read(site.post(page, f"{place}/-/tagging", sent))
    assert answer.answer.status_code == 409
    for digest in (first.digest, second.digest, third.digest):
        assert digest in answer.text
    assert digest_at(url, "tagging/moved", "latest") == third.digest


def test_history_tells_who_moved_it_and_leads_back(site: Site, url: str) -> None:
    first, second = two(url, "tagging/history")
    place = "/r/sample/tagging/history:latest"
    page = site.get_page("/r/sample/tagging/history:2.0/-/tagging?tag=latest")
    action = "/r/sample/tagging/history:2.0/-/tagging"
    site.post(page, action, {**hidden(page, action), "confirm": "latest"})
    assert f"{place}/-/history" in site.get_page(place).links()
    history = site.get_page(f"{place}/-/history")
    assert "done here by admin" in history.text
    back = f"{place}/-/restoration?digest={first.digest}"
    assert back in history.links()
    assert f"{place}/-/restoration?digest={second.digest}" not in history.links()
    plan = site.get_page(back)
    assert plan.heading == "Roll back tagging/history:latest"
    done = site.post(plan, f"{place}/-/restoration", {**hidden(plan, f"{place}/-/restoration"), "confirm": "latest"})
    assert done.headers["location"] == place
    assert digest_at(url, "tagging/history", "latest") == first.digest
    assert len(site.get_page(f"{place}/-/history").all("tr")) == 1 + 3


def test_a_tag_that_somebody_deleted_can_be_restored(site: Site, url: str) -> None:
    image = push.push_image(url, "tagging/gone", "1.0", labels={"n": "gone"})
    push.push_image(url, "tagging/gone", "2.0", labels={"n": "stays"})
    site.call(crawl, "tagging/gone")
    push.delete_manifest(url, "tagging/gone", image.digest)
    site.call(crawl, "tagging/gone")
    place = "/r/sample/tagging/gone:1.0"
    history = site.get_page(f"{place}/-/history")
    assert "deleted" in history.text
    assert "seen by a crawl" in history.text
    listed = site.get_page("/r/sample/tagging/gone/-/deleted")
    back = f"{place}/-/restoration?digest={image.digest}"
    assert back in listed.links()
    assert "2.0" not in listed.text
    plan = site.get_page(back)
    assert plan.heading == "Restore tagging/gone:1.0"
    site.post(plan, f"{place}/-/restoration", hidden(plan, f"{place}/-/restoration"))
    assert digest_at(url, "tagging/gone", "1.0") == image.digest
    assert "No tag is missing" in site.get_page("/r/sample/tagging/gone/-/deleted").text


def test_what_garbage_collection_took_is_named(site: Site, tmp_path: Path) -> None:
    with RegistryProcess(tmp_path / "collected") as registry:
        image = push.push_image(registry.url, "collected", "1.0", labels={"n": "collected"})
        site.call(add, "collected", registry.url)
        site.get_page("/r/collected/collected:1.0")
        registry.stop()
        for path in (registry.storage / "docker/registry/v2/repositories/collected").rglob("link"):
            path.unlink()
        registry.start()
        site.call(crawl, "collected", "collected")
        page = site.get_page(f"/r/collected/collected:1.0/-/restoration?digest={image.digest}")
        assert "no longer has all parts of it" in page.text
        assert "What to change:" in page.text
        assert not page.all("input", name="expected")


def test_a_protected_tag_is_not_moved(site: Site, url: str) -> None:
    first, _ = two(url, "tagging/guarded")
    push.push(url, "tagging/guarded", "v1", first)
    place = "/r/guarded/tagging/guarded:2.0"
    page = site.get_page(f"{place}/-/tagging?tag=v1")
    assert "protected by the pattern v*" in page.text
    forced = {"_csrf_token": page.csrf, "tag": "v1", "expected": first.digest, "confirm": "v1"}
    assert site.client.post(f"{place}/-/tagging", data=forced).status_code == 409
    assert digest_at(url, "tagging/guarded", "v1") == first.digest


@pytest.mark.parametrize("tag", ["not a tag", "-x", "a" * 129])
def test_what_cannot_be_a_tag_is_said_beside_the_field(site: Site, url: str, tag: str) -> None:
    two(url, "tagging/names")
    place = "/r/sample/tagging/names:1.0/-/tagging"
    page = site.get_page(f"{place}?tag={tag}", status=422)
    assert page.find("p", id="tag-error") is not None
    answer = site.client.post(place, data={"_csrf_token": page.csrf, "tag": tag, "expected": "absent"})
    assert answer.status_code == 422


def test_what_was_never_there_has_no_history(site: Site, url: str) -> None:
    first, second = two(url, "tagging/never")
    place = "/r/sample/tagging/never"
    site.get_page(f"{place}:1.0")
    site.get_page(f"{place}:nope/-/history", status=404)
    site.get_page(f"{place}@{first.digest}/-/history", status=404)
    site.get_page(f"{place}:1.0/-/restoration?digest={second.digest}", status=404)


def test_a_viewer_reads_the_history_and_changes_nothing(opened: Site, url: str) -> None:
    first, second = two(url, "tagging/viewer")
    opened.client.cookies.clear()
    opened.sign_in("eve", EVE)
    place = "/r/sample/tagging/viewer:1.0"
    page = opened.get_page(place)
    assert f"{place}/-/tagging" not in page.links()
    assert "restoration" not in opened.get_page(f"{place}/-/history").html
    for view in ("tagging", "tagging?tag=x", "tagging?tag=not a tag", "restoration"):
        opened.get_page(f"{place}/-/{view}", status=403)
    moved = {"_csrf_token": page.csrf, "tag": "2.0", "expected": second.digest, "confirm": "2.0"}
    assert opened.client.post(f"{place}/-/tagging", data=moved).status_code == 403
    back = {"_csrf_token": page.csrf, "digest": first.digest, "expected": "absent"}
    assert opened.client.post(f"{place}/-/restoration", data=back).status_code == 403
    assert digest_at(url, "tagging/viewer", "2.0") == second.digest


@pytest.mark.parametrize("view", ["tagging", "restoration"])
def test_a_form_without_its_token_does_nothing(site: Site, url: str, view: str) -> None:
    first, _ = two(url, "tagging/forged")
    forged = {"tag": "2.0", "digest": first.digest, "expected": "absent", "confirm": "2.0"}
    assert site.client.post(f"/r/sample/tagging/forged:1.0/-/{view}", data=forged).status_code == 403
