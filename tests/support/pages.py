"""Pages as a browser without scripts sees them, with the house rules proven on each.

    with open_site(tmp_path) as site:
        site.sign_in()
        page = site.get_page("/account")
        site.post(page, "/account/tokens", {"name": "ci"})

`site.call(workflow, *args)` runs an async function with the application's services.
"""

from __future__ import annotations

import html as html_entities
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import html5lib
import httpx
from litestar import Litestar
from litestar.testing import TestClient

from kubedash import wiring
from kubedash.policy.access import Actor
from kubedash.records import Role
from kubedash.settings import Settings, load
from kubedash.web.app import create_app
from kubedash.web.security import CONTENT_SECURITY_POLICY
from kubedash.workflows.services import Services

PASSWORD: Final = "a password of the tests"
ADMIN: Final = Actor(name="admin", role=Role.ADMIN, via="session", user_id=1)
HOSTILE: Final = '"><img src=x onerror=alert(1)>'
"""A value for labels and names: pages that show it must show it as text."""
_FORBIDDEN_ELEMENTS: Final = ("style", "iframe", "object", "embed", "base")
_LABELLED: Final = ("input", "select", "textarea")


class HtmlPage:
    """A page that keeps the house rules: one title and h1, no inline anything, forms that work."""

    def __init__(self, answer: httpx.Response, base: str = "") -> None:
        self.answer = answer
        self.html = answer.text
        self.base = base
        self.tree: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(self.html)
        self.elements: list[Element] = [element for element in self.tree.iter() if isinstance(element.tag, str)]
        self._check()

    @property
    def title(self) -> str:
        return self.text_of(self.find("title"))

    @property
    def heading(self) -> str:
        return self.text_of(self.find("h1"))

    @property
    def text(self) -> str:
        return self.text_of(self.find("body"))

    @property
    def csrf(self) -> str:
        return next(e.get("content", "") for e in self.all("meta") if e.get("name") == "csrf-token")

    def all(self, tag: str, **attributes: str) -> list[Element]:
        return [
            element
            for element in self.elements
            if element.tag == tag and all(element.get(key) == value for key, value in attributes.items())
        ]

    def find(self, tag: str, **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert found, f"no <{tag}> {attributes} in {self.html[:2000]}"
        return found[0]

    def links(self) -> list[str]:
        return [href for element in self.all("a") if (href := element.get("href"))]

    @staticmethod
    def text_of(element: Element) -> str:
        return " ".join("".join(element.itertext()).split())

    def _check(self) -> None:
        self._check_headers()
        self._check_headings()
        self._check_nothing_inline()
        self._check_ids()
        for form in self.all("form"):
            self._check_form(form)
        self._check_addresses()
        for image in self.all("img"):
            assert image.get("alt") is not None, "an image without alt"
        assert HOSTILE not in self.html, "a hostile value is in the page unescaped"
        assert "['" not in self.text_of(self.elements[-1]), "a template printed a Python value"

    def _check_headers(self) -> None:
        headers = self.answer.headers
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"]

    def _check_headings(self) -> None:
        headings = [self.text_of(element).replace(" ", "") for element in self.all("h1")]
        assert len(headings) == 1, f"one h1, not {headings}"
        assert headings[0], "the h1 is empty"
        assert self.title.replace(" ", "").startswith(headings[0]), f"{self.title!r} begins otherwise than {headings}"
        assert self.title.endswith(" · KubeDash"), self.title
        assert len(self.all("main")) == 1, "one main"

    def _check_nothing_inline(self) -> None:
        for element in self.elements:
            assert element.tag not in _FORBIDDEN_ELEMENTS, f"<{element.tag}> is not allowed"
            for name in element.attrib:
                assert name != "style", f"an inline style on <{element.tag}>"
                assert not name.lower().startswith("on"), f"an inline handler {name} on <{element.tag}>"
            if element.tag == "script":
                assert element.get("src"), "a script in the page"

    def _check_ids(self) -> None:
        ids = [value for element in self.elements if (value := element.get("id"))]
        assert len(ids) == len(set(ids)), f"ids twice: {sorted({name for name in ids if ids.count(name) > 1})}"
        for label in self.all("label"):
            assert label.get("for") is None or label.get("for") in ids, f"a label for nothing: {label.get('for')}"
        for element in self.elements:
            for name in (element.get("aria-describedby") or "").split():
                assert name in ids, f"described by nothing: {name}"

    def _check_form(self, form: Element) -> None:
        method = (form.get("method") or "get").lower()
        if method == "dialog":
            return
        assert form.get("action"), f"a form without action: {form.attrib}"
        if method == "post":
            tokens = [field.get("value") for field in form.iter("input") if field.get("name") == "_csrf_token"]
            assert len(tokens) == 1, f"one CSRF field in {form.get('action')}, not {len(tokens)}"
            assert tokens[0], f"an empty CSRF field in {form.get('action')}"
        labels = {label.get("for") for label in self.all("label")}
        inside = {id(child) for label in form.iter("label") for child in label.iter()}
        for field in (child for child in form.iter() if child.tag in _LABELLED and child.get("type") != "hidden"):
            named = field.get("aria-label") or field.get("id") in labels or id(field) in inside
            assert named, f"a field without label: {field.attrib}"

    def _check_addresses(self) -> None:
        """Everything of ours lies below the base path, and nothing points elsewhere by accident."""
        for element in self.elements:
            for name in ("href", "src", "action", "formaction"):
                value = element.get(name)
                if value is None or value.startswith("#"):
                    continue
                parts = urlsplit(value)
                assert parts.scheme in ("", "http", "https", "mailto"), f"{name}={value}"
                if not parts.scheme:
                    assert value.startswith("/"), f"not an address from the root: {name}={value}"
                    assert not value.startswith("//"), f"another host: {name}={value}"
                    assert value.startswith(f"{self.base}/"), f"outside of the base path: {name}={value}"
                elif element.tag == "a":
                    assert "noopener" in (element.get("rel") or ""), f"a foreign link without rel=noopener: {value}"


class Site:
    """The application with real services on SQLite, and a browser's cookies."""

    def __init__(self, client: TestClient[Litestar], settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self.base = settings.base_path
        self._seen: set[str] = set()

    @property
    def services(self) -> Services:
        found: Services = self.client.app.state.services
        return found

    def call(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """`await function(services, *args)` in the application's loop."""

        async def asked() -> Any:
            return await function(self.services, *args)

        return self.client.blocking_portal.call(asked)

    def sign_in(self, name: str = "admin", password: str = PASSWORD) -> None:
        form = self.get_page("/sign-in")
        answer = self.post(form, "/sign-in", {"name": name, "password": password})
        assert answer.status_code == 303, answer.text[:2000]

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(self.base + path, follow_redirects=False, **more)

    def get_page(self, path: str, *, status: int = 200) -> HtmlPage:
        """The page at `path`, with the house rules proven and its assets there."""
        answer = self.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:3000]}"
        return self.read(answer)

    def read(self, answer: httpx.Response) -> HtmlPage:
        """An answer as a page, checked."""
        page = HtmlPage(answer, self.base)
        self._check_assets(page)
        return page

    def post(self, page: HtmlPage, path: str, form: dict[str, str] | None = None) -> httpx.Response:
        """Send a form of `page`, with its token."""
        actions = {element.get("action") for element in page.all("form")}
        known = {html_entities.unescape(action).partition("?")[0] for action in actions if action}
        assert self.base + path in known, f"no form goes to {path}: {sorted(known)}"
        data = {"_csrf_token": page.csrf, **(form or {})}
        return self.client.post(self.base + path, data=data, follow_redirects=False)

    def follow(self, answer: httpx.Response) -> HtmlPage:
        """The page that the answer to a form leads to, as a browser opens it."""
        assert answer.status_code == 303, answer.text[:3000]
        return self.get_page(answer.headers["location"].removeprefix(self.base))

    def _check_assets(self, page: HtmlPage) -> None:
        for path in self._assets(page):
            if path not in self._seen:
                answer = self.client.get(path)
                assert answer.status_code == 200, f"{path}: {answer.status_code}"
                assert "immutable" in answer.headers["cache-control"]
                self._seen.add(path)

    @staticmethod
    def _assets(page: HtmlPage) -> Iterable[str]:
        yield from (value for e in page.all("link") if (value := e.get("href")))
        yield from (value for e in page.all("script") if (value := e.get("src")))
        yield from (value for e in page.all("img") if (value := e.get("src")) and not value.startswith("data:"))


@contextmanager
def open_site(folder: Path, **environ: str) -> Iterator[Site]:
    """A running application in `folder`; `admin` has `PASSWORD`."""
    settings = load({"KUBEDASH_DATA_DIR": str(folder), "KUBEDASH_ADMIN_PASSWORD": PASSWORD, **environ})

    async def opener(given: Settings) -> Services:
        return await wiring.open_services(given, engine=False)

    with TestClient(create_app(settings, opener), base_url="http://kubedash.test") as client:
        yield Site(client, settings)
