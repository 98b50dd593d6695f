"""Who may come in at all, and refusals of the web framework in the house's own words."""

from __future__ import annotations

import re
from typing import Any, Final

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.exceptions import ClientException, HTTPException, ValidationException
from litestar.handlers.base import BaseRouteHandler

from kubedash.errors import InvalidInput, NotSignedIn
from kubedash.policy.access import ANONYMOUS
from kubedash.web import problems
from kubedash.web.problems import HttpRequest

_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field `(.*)`")
_MISSING_FIELD: Final = re.compile(r"Object missing required field `(.*)`")
_MISSING_PARAMETER: Final = re.compile(r"Missing required \w+ parameter '(\w+)'")
_BODY: Final = "body"
BAD_REQUEST: Final = 400


def needs_somebody(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Asked before anything that was sent is read; which methods there are is no secret. Raises `NotSignedIn`."""
    if connection.scope.get("method") == HttpMethod.OPTIONS:
        return
    actor = connection.scope.get("user") or ANONYMOUS
    if actor.role is None:
        raise NotSignedIn("This needs somebody who is signed in.", hint="Sign in, or send an API token.")


def refuse_unreadable(request: HttpRequest, error: HTTPException) -> Response[Any]:
    """What the framework could not read is a 422 that names the fields; the rest goes the usual way."""
    if isinstance(error, ClientException) and error.status_code == BAD_REQUEST:
        return problems.refuse(request, in_our_words(error))
    return problems.refuse_http(request, error)


def refuse_depth(request: HttpRequest, _error: RecursionError) -> Response[Any]:
    """A body that is nested too deeply to be read."""
    return problems.refuse(request, InvalidInput("The body is nested too deeply.", fields={_BODY: "is too deep"}))


def in_our_words(error: ClientException) -> InvalidInput:
    """What the framework could not read, with the names of the fields."""
    if not isinstance(error, ValidationException):
        return InvalidInput("The body cannot be read as JSON.", fields={_BODY: error.detail})
    fields = dict(_field(message) for message in error.extra or ())
    missing = _MISSING_PARAMETER.search(error.detail)
    if missing:
        fields[missing.group(1)] = "is needed"
    names = ", ".join(sorted(fields))
    return InvalidInput(f"This cannot be read: {names}.", fields=fields)


def _field(message: Any) -> tuple[str, str]:
    """The framework speaks of one mistake; returns the field's name and what is wrong with it."""
    text, name = str(message.get("message", "")), str(message.get("key", _BODY))
    unknown, missing = _UNKNOWN_FIELD.search(text), _MISSING_FIELD.search(text)
    if unknown:
        return unknown.group(1), "is not a field here"
    if missing:
        return missing.group(1), "is needed"
    if name == "data":
        return _BODY, "a JSON object is needed" if text == "'data'" else text
    return name, "is needed" if text == f"'{name}'" else text
