"""Where events are passed on to, on its page."""

from __future__ import annotations

from tests.pages.test_account import secret_of
from tests.support.pages import HOSTILE, Site

PATH = "/admin/forwards"
FORM = {"name": "chat", "kind": "slack", "url": "http://127.0.0.1:9/T0/secret", "push": "true", "pattern": "shop/*"}


def test_a_webhook_shows_its_secret_once(admin: Site) -> None:
    form = {**FORM, "name": "deploy", "kind": "webhook", "delete": "true"}
    made = admin.read(admin.post(admin.get_page(PATH), PATH, form))
    secret = secret_of(made)
    assert len(secret) > 40
    page = admin.get_page(PATH)
    assert secret not in page.html
    assert "push, delete of shop/*" in page.text
    assert "T0" not in page.html


def test_one_is_added_tested_turned_off_and_removed(admin: Site) -> None:
    page = admin.get_page(PATH)
    assert admin.post(page, PATH, FORM).headers["location"] == PATH
    tested = admin.post(admin.get_page(PATH), f"{PATH}/chat/test")
    assert tested.status_code == 200
    assert "chat did not take the test. It could not be reached" in admin.read(tested).text
    admin.post(admin.get_page(PATH), f"{PATH}/chat/pause")
    assert "Turn on chat" in admin.get_page(PATH).html
    admin.post(admin.get_page(PATH), f"{PATH}/chat/resume")
    assert "Turn off chat" in admin.get_page(PATH).html
    admin.post(admin.get_page(PATH), f"{PATH}/chat/remove")
    assert "http://127.0.0.1:9" not in admin.get_page(PATH).html


def test_what_is_refused_keeps_what_was_typed_but_the_secret(admin: Site) -> None:
    form = {**FORM, "name": HOSTILE, "url": HOSTILE, "secret": "do not repeat", "pull": "true"}
    answer = admin.post(admin.get_page(PATH), PATH, form)
    assert answer.status_code == 422
    page = admin.read(answer)
    assert {"name-error", "url-error"} <= {element.get("id") for element in page.elements}
    assert "do not repeat" not in page.html
    assert any(element.get("name") == "pull" and element.get("checked") is not None for element in page.elements)
