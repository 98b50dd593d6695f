"""Pages from templates: one function for handlers, one environment for the application.

A template gets three names besides the filters and functions below:
`view` (the page's own frozen struct), `shell` (who is signed in and what surrounds the
page) and `here` (this page's address with other query values: `here(sort='-size')`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import minijinja
import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.template.base import csrf_token

from kubedash.policy.access import ANONYMOUS, Actor, Permission, allows, may_delete
from kubedash.web import assets, formatting
from kubedash.web.addresses import Urls, query_string

HtmlRequest: TypeAlias = "Request[Any, Any, State]"
TEMPLATES: Final = Path(__file__).parent / "templates"
THEMES: Final = ("auto", "light", "dark")
THEME_COOKIE: Final = "kubedash_theme"
TOOL_COOKIE: Final = "kubedash_tool"
TOOLS: Final = ("docker", "podman", "nerdctl", "crane", "skopeo", "helm", "oras")
_NOTICE: Final = "notice"
_UNDEFINED: Final[Any] = "semi_strict"
"""A misspelt name fails when it is shown; asking `if` of one is fine."""


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds a page."""

    actor: Actor
    path: str
    """Path and query of this request, with the base path."""
    section: str
    """The part of the navigation this page belongs to: `registries`, `events`, `account`, `admin` or nothing."""
    theme: str
    """`auto`, `light` or `dark`."""
    tool: str
    """The pull tool chosen last: `docker`, `podman`, …"""
    csrf: str
    """The token that every form carries as `_csrf_token`."""
    request_id: str
    notice: str | None
    """A sentence left by the action before a redirect; shown once."""
    may: dict[str, bool]
    """Permission → whether the actor has it: `shell.may['registries:manage']`."""

    @property
    def signed_in(self) -> bool:
        return self.actor.role is not None


class Here:
    """`here(sort='name', cursor=none)`: this page with these query values instead."""

    def __init__(self, path: str, query: dict[str, str]) -> None:
        self._path = path
        self._query = query

    def __call__(self, **changes: object) -> str:
        return self._path + query_string({**self._query, **changes})


class Renderer:
    """The templates, read once and kept."""

    def __init__(self, base_path: str = "", *, development: bool = False) -> None:
        self.urls = Urls(base_path)
        self.assets = assets.Assets(base_path)
        self._environment = minijinja.Environment(
            loader=_load,
            trim_blocks=True,
            lstrip_blocks=True,
            reload_before_render=development,
            filters=_FILTERS,
            globals={"url": self.urls, "asset": self.assets.url},
        )
        self._environment.undefined_behavior = _UNDEFINED

    def render(self, template: str, **context: object) -> str:
        """Raises `minijinja.TemplateError`: a bug of ours.

        Characters that steer instead of being read are written out in the whole page, so that
        no place where a registry's text is shown can forget it.
        """
        html: str = self._environment.render_template(template, **context)
        return formatting.visible(html)


def _load(name: str) -> str | None:
    path = TEMPLATES / name
    return path.read_text() if path.is_file() else None


_FILTERS: Final[dict[str, Any]] = {
    "bytes": formatting.size,
    "exact_bytes": formatting.exact_size,
    "count": formatting.count,
    "plural": formatting.plural,
    "ago": formatting.ago,
    "exact_time": formatting.exact_time,
    "iso_time": formatting.iso_time,
    "short_digest": formatting.short_digest,
    "duration": formatting.duration,
    "percent_of": formatting.percent_of,
}


def here_of(request: HtmlRequest) -> Here:
    """This page's address; what templates call `here`."""
    return Here(_path(request), dict(parse_qsl(request.url.query)))


def renderer_of(request: HtmlRequest) -> Renderer:
    found: Renderer = request.app.state.renderer
    return found


def urls_of(request: HtmlRequest) -> Urls:
    """The addresses of this server, for redirects."""
    return renderer_of(request).urls


def is_fragment(request: HtmlRequest) -> bool:
    """htmx asks for a part: the page's rows are enough."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def page(
    request: HtmlRequest, template: str, view: msgspec.Struct, *, section: str = "", status: int = 200
) -> Response[str]:
    """A whole page, or the fragment that `template` names (`tags/_rows.html`).

    Never cached: it says how old it is, and shows what this person may see.
    """
    shell = shell_of(request, section)
    html = renderer_of(request).render(template, view=view, shell=shell, here=here_of(request))
    headers = {"Cache-Control": "no-store", "Vary": "Cookie, HX-Request"}
    return Response(html, status_code=status, media_type="text/html", headers=headers)


def redirect(request: HtmlRequest, to: str, *, notice: str | None = None) -> Response[None]:
    """See other, with a sentence to show there. `to` comes from `urls_of(request)`."""
    if notice and "session" in request.scope:
        request.session[_NOTICE] = notice
    return Response(None, status_code=303, headers={"Location": to})


def shell_of(request: HtmlRequest, section: str = "") -> Shell:
    actor = request.scope.get("user") or ANONYMOUS
    session: Any = request.scope.get("session")
    query = f"?{request.url.query}" if request.url.query else ""
    return Shell(
        actor=actor,
        path=_path(request) + query,
        section=section,
        theme=_one_of(request.cookies.get(THEME_COOKIE), THEMES),
        tool=_one_of(request.cookies.get(TOOL_COOKIE), TOOLS),
        csrf=str(csrf_token({"request": request})),
        request_id=str(request.scope.get("state", {}).get("request_id", "")),
        notice=session.pop(_NOTICE, None) if isinstance(session, dict) else None,
        may=_may(actor, delete_images=request.app.state.settings.delete_images),
    )


def _may(actor: Actor, *, delete_images: bool) -> dict[str, bool]:
    """What to offer. Deleting is offered to nobody where the setting is off."""
    may = {str(permission): allows(actor, permission) for permission in Permission}
    return {**may, str(Permission.TAGS_DELETE): may_delete(actor, delete_images)}


def _path(request: HtmlRequest) -> str:
    return urls_of(request).path(request.scope["path"])


def _one_of(value: str | None, words: tuple[str, ...]) -> str:
    return value if value in words else words[0]
