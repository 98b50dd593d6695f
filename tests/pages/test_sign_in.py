"""Signing in and out, and what protects it."""

from __future__ import annotations

import pytest

from kubedash.web.sessions import COOKIE
from tests.support.pages import PASSWORD, Site, open_site


def test_everybody_without_a_session_goes_to_the_form_and_comes_back(nobody: Site) -> None:
    answer = nobody.get("/account?x=1", headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Faccount%3Fx%3D1"
    form = nobody.get_page("/sign-in?next=%2Faccount%3Fx%3D1")
    assert form.find("input", name="next").get("value") == "/account?x=1"
    back = nobody.post(form, "/sign-in", {"name": "Admin ", "password": PASSWORD, "next": "/account?x=1"})
    assert (back.status_code, back.headers["location"]) == (303, "/account?x=1")
    assert nobody.get_page("/account").heading == "admin"


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "/a\nb", "javascript:x"]
)
def test_nobody_is_sent_to_another_server(nobody: Site, target: str) -> None:
    form = nobody.get_page("/sign-in")
    answer = nobody.post(form, "/sign-in", {"name": "admin", "password": PASSWORD, "next": target})

    assert answer.headers["location"] == "/"


def test_a_wrong_password_is_refused_in_the_form_and_not_repeated(nobody: Site) -> None:
    form = nobody.get_page("/sign-in")
    answer = nobody.post(form, "/sign-in", {"name": "admin", "password": "certainly wrong"})

    assert answer.status_code == 401
    page = nobody.read(answer)
    assert "Name or password is wrong." in page.text
    assert "certainly wrong" not in page.html
    assert COOKIE not in nobody.client.cookies
    assert "location" not in answer.headers


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(nobody: Site) -> None:
    form = nobody.get_page("/sign-in")
    answer = nobody.post(form, "/sign-in", {"name": "admin", "password": PASSWORD})
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(COOKIE))

    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


def test_signing_in_never_takes_a_key_that_was_there_before(nobody: Site) -> None:
    nobody.client.cookies.set(COOKIE, "planted-by-somebody-else", domain="kubedash.test", path="/")
    form = nobody.get_page("/sign-in")
    answer = nobody.post(form, "/sign-in", {"name": "admin", "password": PASSWORD})
    first = answer.headers["set-cookie"]

    assert "planted" not in first.partition(";")[0]


def test_signing_out_ends_the_session_on_the_server(admin: Site) -> None:
    key = admin.client.cookies[COOKIE]
    page = admin.get_page("/account")
    assert admin.post(page, "/sign-out").status_code == 303

    admin.client.cookies.clear()
    admin.client.cookies.set(COOKIE, key, domain="kubedash.test", path="/")
    assert admin.get("/account", headers={"Accept": "text/html"}).status_code == 303


def test_a_form_without_its_token_is_refused(admin: Site) -> None:
    answer = admin.client.post("/sign-out", data={}, headers={"Accept": "text/html"}, follow_redirects=False)

    assert answer.status_code == 403
    assert "token" in admin.read(answer).text
    assert admin.get_page("/account").heading == "admin"


def test_a_session_needs_the_token_in_the_api_too_and_a_bearer_does_not(admin: Site) -> None:
    page = admin.get_page("/account")
    made = admin.read(admin.post(page, "/account/tokens", {"name": "for the API", "role": "viewer", "days": ""}))
    secret = next(made.text_of(e) for e in made.all("code") if made.text_of(e).startswith("kd_"))
    bare = admin.client.post("/api/v1/tokens", json={"name": "x"})
    assert bare.status_code == 403

    admin.client.cookies.clear()
    with_bearer = admin.client.post("/api/v1/tokens", json={"name": "x"}, headers={"Authorization": f"Bearer {secret}"})
    assert with_bearer.status_code == 201


def test_an_unknown_token_is_refused_although_a_session_is_there(admin: Site) -> None:
    answer = admin.get("/account", headers={"Authorization": "Bearer kd_wrong", "Accept": "application/json"})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_reading_pages_does_not_write_the_session_again(admin: Site) -> None:
    assert "set-cookie" not in admin.get("/account").headers


def test_too_many_failures_are_slowed_down(nobody: Site) -> None:
    form = nobody.get_page("/sign-in")
    answers = [nobody.post(form, "/sign-in", {"name": "somebody", "password": "wrong"}) for _ in range(8)]

    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


def test_https_makes_cookies_secure_and_a_base_path_narrows_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"KUBEDASH_PUBLIC_URL": "https://kubedash.test", "KUBEDASH_BASE_PATH": "/kubedash"}
    with open_site(tmp_path_factory.mktemp("https"), **settings) as site:
        site.client.base_url = "https://kubedash.test"  # type: ignore[assignment]
        site.sign_in()
        page = site.get_page("/account")
        answer = site.get("/sign-in", headers={"Cookie": ""})

        assert page.heading == "admin"
        assert all(
            "Secure" in line and "Path=/kubedash;" in f"{line};" for line in answer.headers.get_list("set-cookie")
        )
        assert answer.headers["strict-transport-security"]
        # A proxy that strips the base path reaches the same pages.
        assert site.client.get("/healthz").text == site.client.get("/kubedash/healthz").text == "ok\n"
