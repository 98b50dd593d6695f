"""The webhook page of a registry: the block, the secret shown once, and what came."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import httpx

from kubedash.records import RegistrySecrets, RegistrySettings, Role
from kubedash.workflows import people, registries
from kubedash.workflows.services import Services
from tests.support.events import CONTENT_TYPE, envelope, told
from tests.support.pages import ADMIN, Site, open_site

PAGE: Final = "/r/hooked/-/settings/events"
SECRET: Final = re.compile(r"Authorization: \[Bearer (kde_[A-Za-z0-9_-]{43})\]")


async def _add(services: Services) -> None:
    settings = RegistrySettings(name="hooked", title="Hooked", url="http://hooked.invalid")
    await registries.add_registry(services, ADMIN, settings, RegistrySecrets(), test=False)


def _post(site: Site, number: int, secret: str | None = None) -> httpx.Response:
    headers = {"Content-Type": CONTENT_TYPE} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    content = envelope(told(number, action="push", repository="shop/api", tag=f"1.{number}"))
    return site.client.post("/plugins/registry/events/hooked", content=content, headers=headers)


def test_with_a_token_for_all_nothing_is_said_to_come_in_without(tmp_path: Path) -> None:
    with open_site(tmp_path, KUBEDASH_EVENTS_TOKEN="one-token-for-all") as site:
        site.sign_in()
        site.call(_add)

        page = site.get_page(PAGE)

        assert _post(site, 1).status_code == 401
        assert "posts without it are refused" in page.text
        assert "Authorization: [Bearer SECRET]" in page.text
        assert "It works as it stands" not in page.text
        assert "anybody" not in page.text


def test_a_secret_is_made_shown_once_exchanged_and_removed(admin: Site) -> None:
    admin.call(_add)
    page = admin.get_page(PAGE)
    assert "never" in page.text
    assert "url: http://kubedash.test/plugins/registry/events/hooked" in page.text
    assert "Secret none" in page.text.replace("Secretnone", "Secret none")
    assert _post(admin, 1).status_code == 200

    made = admin.read(admin.post(page, f"{PAGE}/secret"))
    found = SECRET.search(made.html)
    assert found is not None
    assert "cannot be shown again" in made.text
    later = admin.get_page(PAGE)
    assert found[1] not in later.html
    assert "Authorization: [Bearer SECRET]" in later.text
    assert "The secret was shown once, when it was made" in later.text
    assert _post(admin, 2).status_code == 401
    assert _post(admin, 2, found[1]).status_code == 200
    assert "with the secret" in admin.get_page(PAGE).text
    assert "1 event below is not authenticated" in admin.get_page("/r/hooked/-/events").text

    renewed = SECRET.search(admin.read(admin.post(admin.get_page(PAGE), f"{PAGE}/secret")).html)
    assert renewed is not None
    assert renewed[1] != found[1]
    assert _post(admin, 3, found[1]).status_code == 401
    assert _post(admin, 3, renewed[1]).status_code == 200

    answer = admin.post(admin.get_page(PAGE), f"{PAGE}/secret/removal")
    assert answer.status_code == 303
    assert "events are taken without it" in admin.get_page(PAGE).text
    assert _post(admin, 4).status_code == 200
    assert PAGE in admin.get_page("/r/hooked/-/settings").links()


def test_only_administrators_see_it(admin: Site) -> None:
    admin.call(people.add_user, ADMIN, "eve", Role.MAINTAINER, "a password of the maintainer")
    admin.client.cookies.clear()
    admin.sign_in("eve", "a password of the maintainer")

    assert admin.get(PAGE, headers={"Accept": "text/html"}).status_code == 403
    assert admin.client.post(f"{PAGE}/secret", data={"_csrf_token": admin.get_page("/").csrf}).status_code == 403
    assert PAGE not in admin.get_page("/r/hooked/-/events").links()
