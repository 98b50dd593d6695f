"""Deleting as people do it without scripts: the plan, the retyped name, the result; and every refusal."""

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
    with changing_site(tmp_path_factory.mktemp("site"), open_registry.url) as site:
        site.call(add, "guarded", open_registry.url, ("v*",))
        yield site


def shared(url: str, repository: str) -> push.Sample:
    """One image under two tags."""
    image = push.push_image(url, repository, "1.0", labels={"of": repository})
    push.push(url, repository, "latest", image)
    return image


def test_the_plan_says_what_goes_and_what_stays_and_does_nothing(site: Site, url: str) -> None:
    image = shared(url, "pages/plan")
    place = "/r/sample/pages/plan:1.0"
    assert f"{place}/-/deletion" in site.get_page(place).links()
    page = site.get_page(f"{place}/-/deletion")
    assert page.heading == "Delete pages/plan:1.0"
    assert "/r/sample/pages/plan:latest" in page.links()
    for shown in ("/v2/pages/plan/manifests/1.0", "placeholder", "kubedash restore sample/pages/plan:1.0", "HEAD"):
        assert shown in page.text, shown
    assert page.find("a", autofocus="").get("href") == place
    assert hidden(page, f"{place}/-/deletion") == {"expected": image.digest, "orphans": "leave"}
    assert digest_at(url, "pages/plan", "1.0") == image.digest


def test_a_tag_goes_once_its_name_is_retyped_and_comes_back(site: Site, url: str) -> None:
    image = shared(url, "pages/delete")
    place = "/r/sample/pages/delete:1.0"
    page = site.get_page(f"{place}/-/deletion")
    sent = hidden(page, f"{place}/-/deletion")
    wrong = site.read(site.post(page, f"{place}/-/deletion", {**sent, "confirm": "1.1"}))
    assert wrong.answer.status_code == 422
    # Whoever mistyped is led to the field, not to the top of a long page.
    assert wrong.find("input", name="confirm", autofocus="").get("value") == "1.1"
    assert "Type 1.0 to delete it" in wrong.text
    assert tags_at(url, "pages/delete") == ["1.0", "latest"]

    done = site.follow(site.post(wrong, f"{place}/-/deletion", {**sent, "confirm": " 1.0 "}))
    assert done.heading == "Deleted pages/delete:1.0"
    assert "/r/sample/pages/delete:latest" in done.links()
    assert tags_at(url, "pages/delete") == ["latest"]
    assert digest_at(url, "pages/delete", "latest") == image.digest

    back = site.post(done, f"{place}/-/restoration", hidden(done, f"{place}/-/restoration"))
    assert back.status_code == 303, site.read(back).text
    assert back.headers["location"] == place
    assert digest_at(url, "pages/delete", "1.0") == image.digest
    assert "1.0 leads to" in site.get_page(place).text


def test_how_it_ended_has_an_address_that_is_read_again_and_does_nothing_again(site: Site, url: str) -> None:
    image = shared(url, "pages/result")
    place = "/r/sample/pages/result:1.0"
    page = site.get_page(f"{place}/-/deletion")
    sent = {**hidden(page, f"{place}/-/deletion"), "confirm": "1.0"}
    told = site.post(page, f"{place}/-/deletion", sent).headers["location"]
    assert told.startswith(f"{place}/-/deletion/result?at=")
    first, again = site.get_page(told), site.get_page(told)
    assert first.heading == again.heading == "Deleted pages/result:1.0"
    for shown in ("Done.", "1 other tag of the digest still resolves to it", image.digest):
        assert shown in again.text, shown
    back = site.post(again, f"{place}/-/restoration", hidden(again, f"{place}/-/restoration"))
    assert back.headers["location"] == place
    later = site.get_page(told)
    assert later.heading == "Deleted pages/result:1.0"
    assert "1.0 is there again" in later.text
    assert not later.all("form", action=f"{place}/-/restoration")
    for nothing in (f"{place}/-/deletion/result?at=2026-01-01T00:00:00.000000Z", f"{place}/-/deletion/result?at=now"):
        site.get_page(nothing, status=404)
    site.get_page(told.replace(":1.0/", ":latest/"), status=404)
    site.client.cookies.clear()
    site.sign_in("eve", EVE)
    assert "tags:delete" in site.get_page(told, status=403).text


def test_a_manifest_that_was_deleted_with_its_tags_is_told_later_too(site: Site, url: str) -> None:
    image = shared(url, "pages/whole")
    site.call(crawl, "pages/whole")
    place = f"/r/sample/pages/whole@{image.digest}"
    page = site.get_page(f"{place}/-/deletion")
    sent = {**hidden(page, f"{place}/-/deletion"), "confirm": image.digest.partition(":")[2][:12]}
    told = site.follow(site.post(page, f"{place}/-/deletion", sent))
    assert told.text_of(told.find("dd", **{"class": "chip-list"})) == "1.0 latest"
    assert not [form for form in told.all("form") if "restoration" in (form.get("action") or "")]


def test_a_tag_that_moved_meanwhile_is_left_alone_and_both_digests_are_shown(site: Site, url: str) -> None:
    before = push.push_image(url, "pages/moved", "1.0", labels={"n": "before"})
    place = "/r/sample/pages/moved:1.0"
    page = site.get_page(f"{place}/-/deletion")
    after = push.push_image(url, "pages/moved", "1.0", labels={"n": "after"})
    answer = site.read(
        site.post(page, f"{place}/-/deletion", {**hidden(page, f"{place}/-/deletion"), "confirm": "1.0"})
    )
    assert answer.answer.status_code == 409
    assert "nothing was done" in answer.text
    assert before.digest in answer.text
    assert after.digest in answer.text
    assert hidden(answer, f"{place}/-/deletion")["expected"] == after.digest
    assert digest_at(url, "pages/moved", "1.0") == after.digest


def test_what_belongs_to_it_goes_along_where_that_is_chosen(site: Site, url: str) -> None:
    image = push.push_image(url, "pages/signed", "1.0", labels={"n": "signed"})
    payload = ("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")
    signature = push.make_artifact([payload], config=(push.OCI_CONFIG, b"{}"))
    machine = f"{image.digest.replace(':', '-')}.sig"
    push.push(url, "pages/signed", machine, signature)
    place = "/r/sample/pages/signed:1.0"
    left = site.get_page(f"{place}/-/deletion")
    assert "Cosign signature" in left.text
    assert f"{place}/-/deletion?orphans=take" in left.links()
    page = site.get_page(f"{place}/-/deletion?orphans=take")
    sent = hidden(page, f"{place}/-/deletion")
    assert sent["orphans"] == "take"
    done = site.follow(site.post(page, f"{place}/-/deletion", {**sent, "confirm": "1.0"}))
    assert "1 deleted along with it" in done.text
    assert tags_at(url, "pages/signed") == []


def test_a_platform_of_an_index_is_refused_with_the_reason(site: Site, url: str) -> None:
    children = [push.make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    push.push_index(url, "pages/multi", "1.0", children)
    digest = children[0].digest
    site.get_page("/r/sample/pages/multi:1.0")
    page = site.get_page(f"/r/sample/pages/multi@{digest}/-/deletion")
    assert "This cannot be deleted." in page.text
    assert "that index would be broken" in page.text
    assert not page.all("input", name="confirm")
    forced = {"_csrf_token": page.csrf, "expected": digest, "confirm": digest.partition(":")[2][:12]}
    answer = site.client.post(f"/r/sample/pages/multi@{digest}/-/deletion", data=forced)
    assert answer.status_code == 409
    assert digest_at(url, "pages/multi", digest) == digest


def test_a_protected_tag_says_who_may_change_that(site: Site, url: str) -> None:
    image = push.push_image(url, "pages/guarded", "v1", labels={"n": "guarded"})
    page = site.get_page("/r/guarded/pages/guarded:v1/-/deletion")
    assert "protected by the pattern v*" in page.text
    assert "/r/guarded/-/settings" in page.links()
    forced = {"_csrf_token": page.csrf, "expected": image.digest, "confirm": "v1"}
    answer = site.client.post("/r/guarded/pages/guarded:v1/-/deletion", data=forced)
    assert answer.status_code == 409
    assert "protected" in site.read(answer).text
    assert digest_at(url, "pages/guarded", "v1") == image.digest


def test_a_registry_that_does_not_delete_names_the_setting(site: Site, tmp_path: Path) -> None:
    with RegistryProcess(tmp_path / "kept", delete=False) as registry:
        image = shared(registry.url, "pages/kept")
        site.call(add, "keeping", registry.url)
        page = site.get_page("/r/keeping/pages/kept:1.0/-/deletion")
        assert "What to change:" in page.text
        assert "storage.delete.enabled: true" in [page.text_of(code) for code in page.all("code")]
        assert ".." not in page.text
        assert "What goes" not in page.text
        assert "Nothing is touched." in page.text
        forced = {"_csrf_token": page.csrf, "expected": image.digest, "confirm": "1.0"}
        assert site.client.post("/r/keeping/pages/kept:1.0/-/deletion", data=forced).status_code == 409
        assert digest_at(registry.url, "pages/kept", "1.0") == image.digest


def test_what_is_not_there_cannot_be_deleted(site: Site, url: str) -> None:
    shared(url, "pages/nothing")
    site.get_page("/r/sample/pages/nothing:2.0/-/deletion", status=404)


def test_a_viewer_is_offered_nothing_and_refused(opened: Site, url: str) -> None:
    image = shared(url, "pages/viewer")
    opened.client.cookies.clear()
    opened.sign_in("eve", EVE)
    place = "/r/sample/pages/viewer:1.0"
    page = opened.get_page(place)
    assert f"{place}/-/deletion" not in page.links()
    refused = opened.get_page(f"{place}/-/deletion", status=403)
    assert "tags:delete" in refused.text
    forced = {"_csrf_token": page.csrf, "expected": image.digest, "confirm": "1.0", "orphans": "leave"}
    assert opened.client.post(f"{place}/-/deletion", data=forced).status_code == 403
    assert digest_at(url, "pages/viewer", "1.0") == image.digest


def test_a_form_without_its_token_does_nothing(site: Site, url: str) -> None:
    image = shared(url, "pages/forged")
    forged = {"expected": image.digest, "confirm": "1.0", "orphans": "leave"}
    assert site.client.post("/r/sample/pages/forged:1.0/-/deletion", data=forged).status_code == 403
    assert digest_at(url, "pages/forged", "1.0") == image.digest


def test_nobody_deletes_where_the_setting_is_off(tmp_path: Path, url: str) -> None:
    image = shared(url, "pages/off")
    with changing_site(tmp_path / "off", url, DELETE_IMAGES="false") as site:
        site.sign_in()
        place = "/r/sample/pages/off:1.0"
        page = site.get_page(place)
        assert f"{place}/-/deletion" not in page.links()
        assert "DELETE_IMAGES=true" in site.get_page(f"{place}/-/deletion", status=403).text
        forced = {"_csrf_token": page.csrf, "expected": image.digest, "confirm": "1.0"}
        assert site.client.post(f"{place}/-/deletion", data=forced).status_code == 403
        assert digest_at(url, "pages/off", "1.0") == image.digest
