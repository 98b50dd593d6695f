"""From an error to what people and programs read: a help page, or problem+json (RFC 9457).

Never a stack trace: a failure of our own shows its request id, under which the log has
the rest.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, PermissionDeniedException, ValidationException
from litestar.types import ExceptionHandlersMap

from kubedash.errors import Diagnostics, InvalidInput, KubedashError, NotAllowed, NotFound, NotSignedIn, TooMany
from kubedash.policy.access import ANONYMOUS
from kubedash.web.rendering import is_fragment, page, renderer_of, shell_of

PROBLEM_TYPE: Final = "application/problem+json"
_LAST_RESORT: Final = (
    "<!doctype html><html lang=en><title>Something is wrong · KubeDash</title>"
    "<h1>Something is wrong</h1><p>This is our fault. Request {}.</p></html>"
)
HttpRequest = Request[Any, Any, State]

log = structlog.get_logger(__name__)


class ProblemView(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal or failure, for people."""

    layout: str
    """With the navigation for those who are signed in, else without."""
    title: str
    status: int
    diagnostics: Diagnostics


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refusal or failure, for programs."""

    type: str
    title: str
    status: int
    detail: str
    hint: str | None = None
    asked: str | None = None
    answered: str | None = None
    fields: dict[str, str] = {}
    """Field → what is wrong with it."""
    request_id: str = ""


class MethodRefused(KubedashError):
    slug = "method-not-allowed"
    title = "Not done this way"
    status = 405


class TooBig(KubedashError):
    slug = "too-big"
    title = "Too much at once"
    status = 413


class Bug(KubedashError):
    slug = "internal-error"
    title = "This is our fault"
    status = 500


def refuse(request: HttpRequest, error: KubedashError) -> Response[Any]:
    """Any refusal on purpose."""
    if error.status >= 500:
        log.warning("request failed", action="problem", slug=error.slug, reason=error.message, answered=error.answered)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, TooMany) else {}
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    response = _as_json(request, error) if wants_json(request) else _as_page(request, error)
    response.headers.update(headers)
    return response


def refuse_http(request: HttpRequest, error: HTTPException) -> Response[Any]:
    """What Litestar refuses by itself, in our words."""
    known = _translated(request, error)
    response = refuse(request, known)
    if error.headers and "allow" in error.headers:
        response.headers["Allow"] = error.headers["allow"]
    return response


def refuse_bug(request: HttpRequest, error: Exception) -> Response[Any]:
    """Anything else is a bug of ours: logged in full, shown by its request id alone."""
    log.error("unexpected failure", action="bug", exc_info=error)
    shown = Bug("Something failed that should not.", hint="Try again; if it stays, report the request id below.")
    try:
        return refuse(request, shown)
    except Exception:
        log.exception("the help page failed too", action="bug")
        body = _LAST_RESORT.format(_request_id(request))
        return Response(body, status_code=500, media_type="text/html")


HANDLERS: Final[ExceptionHandlersMap] = {
    KubedashError: refuse,
    HTTPException: refuse_http,
    Exception: refuse_bug,
}


def wants_json(request: HttpRequest) -> bool:
    """The API, machines' routes, and whoever names what they take without naming HTML."""
    accepted, path = request.headers.get("accept", "*/*"), request.scope["path"]
    return path.startswith("/api/v") or path == "/metrics" or not ("html" in accepted or accepted == "*/*")


def _as_json(request: HttpRequest, error: KubedashError) -> Response[bytes]:
    diagnostics = error.diagnostics()
    problem = Problem(
        type=f"urn:kubedash:problem:{error.slug}",
        title=error.title,
        status=error.status,
        detail=diagnostics.summary,
        hint=diagnostics.hint,
        asked=diagnostics.asked,
        answered=diagnostics.answered,
        fields=error.fields if isinstance(error, InvalidInput) else {},
        request_id=_request_id(request),
    )
    return Response(msgspec.json.encode(problem), status_code=error.status, media_type=PROBLEM_TYPE)


def _as_page(request: HttpRequest, error: KubedashError) -> Response[Any]:
    if isinstance(error, NotSignedIn):
        return _to_sign_in(request)
    known = (request.scope.get("user") or ANONYMOUS).role is not None
    layout = "layouts/app.html" if known else "layouts/plain.html"
    view = ProblemView(layout=layout, title=error.title, status=error.status, diagnostics=error.diagnostics())
    return page(request, "problems/page.html", view, status=error.status)


def _to_sign_in(request: HttpRequest) -> Response[None]:
    """Back to where they were going afterwards, where that was a page to look at."""
    following = shell_of(request).path if request.method == "GET" and not is_fragment(request) else None
    to = renderer_of(request).urls.sign_in(following)
    if request.headers.get("HX-Request") == "true":
        return Response(None, status_code=401, headers={"HX-Redirect": to})
    return Response(None, status_code=303, headers={"Location": to, "Cache-Control": "no-store"})


def _translated(request: HttpRequest, error: HTTPException) -> KubedashError:
    if isinstance(error, ValidationException):
        return InvalidInput("Something that was sent cannot be read.", fields=_fields(error))
    if isinstance(error, PermissionDeniedException):
        return NotAllowed(
            "The form came without its token, or with an old one.",
            hint="Load the page again and repeat it. Programs send an API token, or X-CSRF-Token with the session.",
        )
    match error.status_code:
        case 404:
            return NotFound("There is no page at this address.", hint="Search for it, or begin at the overview.")
        case 405:
            return MethodRefused(f"This address does not take {request.method}.")
        case 413:
            return TooBig("What was sent is larger than is taken here.")
        case 400 | 415 | 422:
            return InvalidInput(error.detail)
    return Bug(error.detail)


def _fields(error: ValidationException) -> dict[str, str]:
    entries = error.extra if isinstance(error.extra, list) else []
    return {
        str(entry.get("key", "body")): str(entry.get("message", "cannot be read"))
        for entry in entries
        if isinstance(entry, dict)
    }


def _request_id(request: HttpRequest) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))
