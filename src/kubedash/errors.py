"""Everything that can go wrong on purpose.

KubedashError
  · InvalidInput      422  what was sent cannot be read; `fields` says where
  · NotSignedIn       401  nobody is signed in, or the token is unknown or expired
  · NotAllowed        403  somebody is, and may not do this
  · NotFound          404  no such thing is known here
  · Conflict          409  it exists already, or moved meanwhile
  · TooMany           429  slower, please
  · NotDone          502  a change of a registry ended otherwise than it was meant to
  · Unavailable       503  a part of our own house is down
  · RegistryError     502  the registry's side; its tree is in `kubedash.registry.errors`

Refusals are typed; a 500 is always a bug of ours.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Diagnostics(msgspec.Struct, frozen=True):
    """What a person needs to know about a failure."""

    summary: str
    asked: str | None = None
    """What we asked, such as `GET https://registry.example/v2/_catalog`."""
    answered: str | None = None
    """What came back: status, code and message, or the failure of the connection."""
    hint: str | None = None
    """What to try."""


class KubedashError(Exception):
    """The root: carries a sentence for people and a stable `slug` for programs."""

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something is wrong"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, hint: str | None = None, asked: str | None = None, answered: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.asked = asked
        self.answered = answered

    def diagnostics(self) -> Diagnostics:
        return Diagnostics(self.message, self.asked, self.answered, self.hint)


class InvalidInput(KubedashError):
    """What was sent cannot be read; `fields` maps a field's name to what is wrong with it."""

    slug = "invalid-input"
    title = "That cannot be read"
    status = 422
    exit_code = 2

    def __init__(self, message: str, *, fields: dict[str, str] | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.fields = fields or {}


class NotSignedIn(KubedashError):
    slug = "not-signed-in"
    title = "Sign in first"
    status = 401


class NotAllowed(KubedashError):
    slug = "not-allowed"
    title = "Not allowed"
    status = 403


class NotFound(KubedashError):
    slug = "not-found"
    title = "Not found"
    status = 404


class Conflict(KubedashError):
    slug = "conflict"
    title = "That clashes with what is there"
    status = 409


class Moved(Conflict):
    """What a plan was made for is not what is there any more; nothing was done."""

    slug = "moved"
    title = "It moved meanwhile"


class TooMany(KubedashError):
    """Slower, please; `retry_after` is in seconds."""

    slug = "too-many"
    title = "Too many requests"
    status = 429

    def __init__(self, message: str, *, retry_after: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class NotDone(KubedashError):
    """A change ended otherwise than it was meant to; the sentence says how things are now."""

    slug = "not-done"
    title = "The registry did not do that"
    status = 502


class Unavailable(KubedashError):
    slug = "unavailable"
    title = "Not available right now"
    status = 503


class RegistryError(KubedashError):
    """The registry's side failed or refused; `temporary` says whether a retry may help.

    `reply` is the status that the registry answered with, and `reply_code` its own word,
    such as `MANIFEST_UNKNOWN`; both None where it did not answer.
    """

    slug = "registry-error"
    title = "The registry did not do that"
    status = 502
    temporary: ClassVar[bool] = False
    reply: int | None = None
    reply_code: str | None = None
