"""Addresses that are no page, and the choice of theme for those without scripts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from kubedash.errors import InvalidInput, NotFound
from kubedash.web.addresses import safe_next
from kubedash.web.rendering import THEME_COOKIE, THEMES, HtmlRequest, redirect, urls_of

_YEAR = 365 * 24 * 60 * 60


class ThemeForm(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    theme: str
    next: str = ""


@get("/{rest:path}", sync_to_thread=False)
def no_such_page(rest: FromPath[str]) -> None:
    """Inside the application, so that the help page knows who is signed in."""
    raise NotFound("There is no page at this address.", hint="Search for it, or begin at the overview.")


@post("/-/theme", sync_to_thread=False)
def choose_theme(
    request: HtmlRequest, data: Annotated[ThemeForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Response[None]:
    """Remembers the theme and goes back. Scripts do the same without asking."""
    if data.theme not in THEMES:
        raise InvalidInput("There is no such theme.", fields={"theme": f"one of {', '.join(THEMES)}"})
    urls = urls_of(request)
    response = redirect(request, safe_next(data.next, urls.home()))
    secure = request.app.state.settings.secure_cookies
    response.set_cookie(
        Cookie(THEME_COOKIE, path=urls.base or "/", value=data.theme, max_age=_YEAR, samesite="lax", secure=secure)
    )
    return response
