"""The own account, and users for administrators."""

from __future__ import annotations

import pytest

from kubedash.records import Role
from kubedash.web.sessions import COOKIE
from kubedash.workflows import people
from tests.support.pages import ADMIN, HOSTILE, PASSWORD, HtmlPage, Site


def secret_of(page: HtmlPage) -> str:
    box = next(e for e in page.all("p") if e.get("class") == "token-once")
    return page.text_of(next(iter(box.iter("code"))))


def test_a_token_is_shown_once_works_and_can_be_revoked(admin: Site) -> None:
    page = admin.get_page("/account")
    made = admin.read(admin.post(page, "/account/tokens", {"name": HOSTILE, "role": "viewer", "days": "30"}))
    secret = secret_of(made)

    again = admin.get_page("/account")
    assert secret not in again.html
    assert HOSTILE in again.text
    headers = {"Authorization": f"Bearer {secret}"}
    assert admin.get("/api/v1/registries", headers=headers).status_code == 200
    assert b"kubedash_http_requests_total" in admin.get("/metrics", headers=headers).content
    revoke = next(f for e in again.all("form") if (f := e.get("action") or "").endswith("/revocation"))
    assert admin.post(again, revoke).headers["location"] == "/account"
    assert "revoked" in admin.get_page("/account").text
    assert admin.get("/api/v1/registries", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": ""}, "name-error"),
        ({"name": "x", "days": "soon"}, "days-error"),
        ({"name": "x", "days": "9" * 5000}, "days-error"),
        ({"name": "x", "role": "king"}, "role-error"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_at_its_field(admin: Site, form: dict[str, str], field: str) -> None:
    answer = admin.post(admin.get_page("/account"), "/account/tokens", form)

    assert answer.status_code == 422
    page = admin.read(answer)
    assert any(element.get("id") == field for element in page.elements)


def test_a_new_password_ends_the_other_sessions(admin: Site) -> None:
    person, first, second = "changes", "the first password here", "the second password here"
    admin.call(people.add_user, ADMIN, person, Role.VIEWER, first)
    admin.client.cookies.clear()
    admin.sign_in(person, first)
    elsewhere = admin.client.cookies[COOKIE]
    admin.client.cookies.clear()
    admin.sign_in(person, first)
    page = admin.get_page("/account")
    wrong = {"old_password": "not it at all", "new_password": second, "again": second}
    assert admin.post(page, "/account/password", wrong).status_code == 422
    differs = {"old_password": first, "new_password": second, "again": "something else"}
    assert "again-error" in admin.post(page, "/account/password", differs).text
    right = {"old_password": first, "new_password": second, "again": second}
    assert admin.post(page, "/account/password", right).status_code == 303

    assert "other sessions have ended" in admin.get_page("/account").text
    admin.client.cookies.clear()
    admin.client.cookies.set(COOKIE, elsewhere, domain="kubedash.test", path="/")
    assert admin.get("/account", headers={"Accept": "text/html"}).status_code == 303
    admin.client.cookies.clear()
    admin.sign_in(person, second)


def test_an_administrator_adds_changes_locks_and_unlocks_users(admin: Site) -> None:
    page = admin.get_page("/admin/users")
    made = admin.read(admin.post(page, "/admin/users", {"name": "mira", "role": "viewer"}))
    password = secret_of(made)

    assert admin.post(made, "/admin/users/mira/role", {"role": "maintainer"}).status_code == 303
    assert "mira is now maintainer" in admin.get_page("/admin/users").text
    assert admin.post(made, "/admin/users/mira/lock").status_code == 303
    locked = admin.get_page("/admin/users")
    assert "mira locked" in locked.text
    assert admin.post(locked, "/admin/users/mira/unlock").status_code == 303
    fresh = secret_of(admin.read(admin.post(page_with(admin), "/admin/users/mira/password")))
    assert fresh != password
    admin.client.cookies.clear()
    admin.sign_in("mira", fresh)
    assert admin.get_page("/admin/users", status=403).heading == "Not allowed"
    assert not any("/admin/" in link for link in admin.get_page("/account").links())


def page_with(site: Site) -> HtmlPage:
    return site.get_page("/admin/users")


def test_the_last_administrator_stays_and_names_are_checked(admin: Site) -> None:
    page = admin.get_page("/admin/users")
    last = admin.post(page, "/admin/users/admin/lock")
    assert last.status_code == 409
    assert "last administrator" in admin.read(last).text
    assert admin.post(page, "/admin/users", {"name": HOSTILE, "role": "viewer"}).status_code == 422
    assert admin.post(page, "/admin/users", {"name": "admin", "role": "viewer"}).status_code == 409
    assert admin.post(page, "/admin/users/admin/role", {"role": "king"}).status_code == 422
    assert PASSWORD not in page.html
