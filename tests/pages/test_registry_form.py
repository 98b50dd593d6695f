"""Adding, editing, testing and removing a registry in a browser without scripts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from demo import push
from demo.registry_process import RegistryProcess
from kubedash.workflows import registries
from tests.support.browsing import add_and_read, settle
from tests.support.pages import ADMIN, HtmlPage, Site, open_site

NEW = "/registries/new"
SETTINGS = "/r/prod/-/settings"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path, KUBEDASH_REGISTRY_TIMEOUT="3") as opened:
        opened.sign_in()
        yield opened


def send(site: Site, path: str, **fields: str) -> HtmlPage:
    """The form as a browser sends it, with the answer as a page."""
    return site.read(site.post(site.get_page(path), path, fields))


def value(page: HtmlPage, name: str) -> str:
    return page.find("input", name=name).get("value") or ""


def test_the_first_start_leads_to_the_first_registry(site: Site) -> None:
    page = site.get_page("/")
    assert "No registry yet" in page.text
    assert NEW in page.links()


def test_a_registry_is_tested_then_added(site: Site, htpasswd_registry: RegistryProcess) -> None:
    host = htpasswd_registry.url.removeprefix("http://")
    fields = {"url": host, "encryption": "auto", "name": "prod", "title": "Production", "username": "quotes"}
    secret = "\"'\\`$(x)"
    tested = send(site, NEW, **fields, password=secret, action="test")
    assert "The connection works" in tested.text
    assert "Signed in as quotes." in tested.text
    assert secret not in unescape(tested.html)
    assert value(tested, "url") == host
    assert site.call(registries.list_registries, ADMIN) == ()
    answer = site.post(site.get_page(NEW), NEW, {**fields, "password": secret})
    assert (answer.status_code, answer.headers["location"]) == (303, "/r/prod")
    assert "Production was added." in site.get_page("/r/prod").text


@pytest.mark.parametrize("action", ["test", "save"])
def test_a_wrong_password_comes_back_with_every_step(
    site: Site, htpasswd_registry: RegistryProcess, action: str
) -> None:
    answer = site.post(
        site.get_page(NEW),
        NEW,
        {"url": htpasswd_registry.url, "name": "prod", "username": "ann", "password": "wrong", "action": action},
    )
    assert answer.status_code == (200 if action == "test" else 422)
    page = site.read(answer)
    assert "401 UNAUTHORIZED" in page.text
    assert value(page, "username") == "ann"
    assert value(page, "password") == ""
    assert site.call(registries.list_registries, ADMIN) == ()


def test_what_is_wrong_stands_beside_its_field(site: Site) -> None:
    page = site.read(
        site.post(site.get_page(NEW), NEW, {"url": "ftp://x", "name": "Not a slug", "proxy": "socks5://x"})
    )
    assert page.answer.status_code == 422
    for name in ("url", "name", "proxy"):
        assert page.find("input", name=name).get("aria-invalid") == "true"
        assert page.text_of(page.find("p", id=f"{name}-error"))
    assert value(page, "name") == "Not a slug"


def test_nobody_there_is_said_and_can_be_saved_all_the_same(site: Site) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    fields = {"url": address, "encryption": "auto", "name": "prod"}
    page = site.read(site.post(site.get_page(NEW), NEW, fields))
    assert page.answer.status_code == 422
    assert page.find("input", name="url").get("aria-invalid") == "true"
    assert "failed" in page.text
    answer = site.post(site.get_page(NEW), NEW, {**fields, "untested": "true"})
    assert answer.headers["location"] == "/r/prod"
    site.call(settle, "prod")
    listed = site.get_page("/r/prod")
    assert "The registry cannot be reached" in listed.text
    overview = site.get_page("/")
    assert "1 failing" in overview.text
    assert "unreachable" in overview.text


def test_editing_loses_nothing(site: Site, htpasswd_registry: RegistryProcess) -> None:
    fields = {
        "url": htpasswd_registry.url,
        "encryption": "auto",
        "name": "prod",
        "title": "Production",
        "username": "ann",
        "pull_host": "hub.example.com",
        "repositories": "team/app\r\nteam/other",
        "protected_tags": "v*\r\nlatest",
    }
    site.post(site.get_page(NEW), NEW, {**fields, "password": "secret"})
    before = site.call(registries.settings_of, ADMIN, "prod")
    page = site.get_page(SETTINGS)
    assert "A password is set; leave empty to keep it." in page.text
    sent = {name: value(page, name) for name in ("url", "name", "title", "username", "proxy", "pull_host")}
    areas = {area.get("name") or "": area.text or "" for area in page.all("textarea")}
    answer = site.post(page, SETTINGS, {**sent, **areas, "encryption": "http", "password": ""})
    assert answer.status_code == 303, answer.text[:3000]
    assert site.call(registries.settings_of, ADMIN, "prod") == before
    assert site.call(registries.stored_secrets, ADMIN, "prod").password == "secret"


def test_a_stored_password_can_be_removed(site: Site, open_registry: RegistryProcess) -> None:
    site.post(site.get_page(NEW), NEW, {"url": open_registry.url, "name": "prod", "username": "x", "password": "y"})
    assert site.call(registries.stored_secrets, ADMIN, "prod").password == "y"
    fields = {"url": open_registry.url, "name": "prod", "remove_password": "true"}
    assert site.post(site.get_page(SETTINGS), SETTINGS, fields).status_code == 303
    assert site.call(registries.stored_secrets, ADMIN, "prod").password is None
    assert "A password is set" not in site.get_page(SETTINGS).text


def test_removing_wants_the_name(site: Site, open_registry: RegistryProcess) -> None:
    site.post(site.get_page(NEW), NEW, {"url": open_registry.url, "name": "prod"})
    path = "/r/prod/-/remove"
    refused = site.post(site.get_page(path), path, {"confirm": "production"})
    assert refused.status_code == 422
    assert "Type prod to remove it." in site.read(refused).text
    removed = site.post(site.get_page(path), path, {"confirm": "prod"})
    assert removed.headers["location"] == "/"
    assert "No registry yet" in site.get_page("/").text


def test_an_outage_keeps_the_last_good_picture(site: Site, tmp_path: Path) -> None:
    with RegistryProcess(tmp_path / "registry") as registry:
        push.push_image(registry.url, "team/app", "1.0")
        site.call(add_and_read, registry.url, "prod")
    site.call(settle, "prod")
    listed = site.get_page("/r/prod")
    assert "This picture is old." in listed.text
    assert "/r/prod/team/app" in listed.links()
    tags = site.get_page("/r/prod/team/app")
    assert "/r/prod/team/app:1.0" in tags.links()
    assert "unreachable" in site.get_page("/").text
    site.get_page("/r/prod/team/app:1.0")
    site.get_page("/r/prod/team/never-seen", status=502)


def test_a_password_sealed_with_another_key_is_entered_again(
    tmp_path: Path, htpasswd_registry: RegistryProcess
) -> None:
    fields = {"url": htpasswd_registry.url, "encryption": "http", "name": "prod", "username": "ann"}
    with open_site(tmp_path, KUBEDASH_SECRET_KEY="k" * 32) as before:
        before.sign_in()
        assert before.post(before.get_page(NEW), NEW, {**fields, "password": "secret"}).status_code == 303
    with open_site(tmp_path, KUBEDASH_SECRET_KEY="l" * 32) as after:
        after.sign_in()
        form = after.get_page(SETTINGS)
        assert "sealed with another key" in form.text
        assert "A password is set" not in form.text
        kept = after.post(form, SETTINGS, fields)
        assert kept.status_code == 503
        assert "enter the registry's password again" in unescape(kept.text)
        assert after.post(form, SETTINGS, {**fields, "password": "secret"}).status_code == 303
        assert "sealed with another key" not in after.get_page(SETTINGS).text
