"""What can go wrong with a registry: one tree, each error with `diagnostics()`.

RegistryError
  · Unreachable     no connection, or it broke; temporary
      · TimedOut    it took too long; temporary
  · TlsFailed       the certificate, or the encryption itself
  · Unauthorized    it does not believe who we are
  · Denied          it does, and refuses
  · NotARegistry    something else answers there
  · Absent          no such repository, manifest or blob
  · Unsupported     the registry cannot do that
  · Refused         it finds fault with the question
  · RateLimited     too many requests; temporary
  · ServerFault     its own failure; temporary
  · Unreadable      an answer that makes no sense
  · TooLarge        an answer beyond our caps
  · DigestMismatch  bytes that are not what was asked for
  · UnsafeAddress   it sent us somewhere we do not go

Errors never hold secrets: addresses are shown without user info, and those that lead
elsewhere without their query, which may be a signature.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from kubedash.errors import RegistryError
from kubedash.records import RegistryStatus
from kubedash.registry.complaints import Complaint


class Unreachable(RegistryError):
    slug = "registry-unreachable"
    title = "The registry cannot be reached"
    status = 502
    temporary = True


class TimedOut(Unreachable):
    slug = "registry-timeout"
    title = "The registry took too long"
    status = 504


class TlsFailed(RegistryError):
    slug = "registry-tls"
    title = "No trustworthy connection to the registry"


class WrongProtocol(TlsFailed):
    """It speaks HTTP where we spoke HTTPS, or the other way round."""


class Unauthorized(RegistryError):
    slug = "registry-unauthorized"
    title = "The registry does not accept the credentials"


class Denied(RegistryError):
    slug = "registry-denied"
    title = "The registry does not allow this"


class NotARegistry(RegistryError):
    slug = "not-a-registry"
    title = "That is no registry"


class Absent(RegistryError):
    slug = "registry-absent"
    title = "The registry does not have it"
    status = 404


class Unsupported(RegistryError):
    slug = "registry-unsupported"
    title = "The registry cannot do that"


class Refused(RegistryError):
    slug = "registry-refused"
    title = "The registry refuses the question"


class RateLimited(RegistryError):
    """`retry_after` is in seconds, where the registry said so."""

    slug = "registry-rate-limit"
    title = "The registry asks for patience"
    status = 503
    temporary = True

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        asked: str | None = None,
        answered: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, asked=asked, answered=answered)
        self.retry_after = retry_after


class ServerFault(RegistryError):
    slug = "registry-fault"
    title = "The registry failed"
    temporary = True


class Unreadable(RegistryError):
    slug = "registry-unreadable"
    title = "The registry's answer makes no sense"


class TooLarge(RegistryError):
    slug = "registry-too-large"
    title = "The registry's answer is too large"


class DigestMismatch(RegistryError):
    slug = "registry-digest-mismatch"
    title = "The content is not what its digest says"


class UnsafeAddress(RegistryError):
    slug = "registry-unsafe-address"
    title = "The registry leads to an address we do not follow"


_STATUS: Final[dict[type[RegistryError], RegistryStatus]] = {
    Unreachable: RegistryStatus.UNREACHABLE,
    TimedOut: RegistryStatus.UNREACHABLE,
    TlsFailed: RegistryStatus.TLS_FAILED,
    WrongProtocol: RegistryStatus.TLS_FAILED,
    Unauthorized: RegistryStatus.UNAUTHORIZED,
    Denied: RegistryStatus.DENIED,
    NotARegistry: RegistryStatus.NOT_A_REGISTRY,
    RateLimited: RegistryStatus.RATE_LIMITED,
}


def status_of(error: RegistryError) -> RegistryStatus:
    """What an error says about its registry as a whole."""
    return _STATUS.get(type(error), RegistryStatus.ERROR)


_SPEAKS_TLS: Final = ("http request was sent to https port", "sent an http request to an https server")
_WRONG_ACCEPT: Final = "accept header does not support"
_BY_CODE: Final[dict[int, type[RegistryError]]] = {
    401: Unauthorized,
    403: Denied,
    404: Absent,
    405: Unsupported,
    406: Unsupported,
    408: TimedOut,
    501: Unsupported,
}
_SUMMARIES: Final[dict[type[RegistryError], str]] = {
    Unauthorized: "The registry does not accept the credentials.",
    Denied: "The registry does not allow this.",
    Absent: "The registry does not have it.",
    Unsupported: "The registry does not support this request.",
    TimedOut: "The registry waited too long for something.",
    ServerFault: "The registry failed to answer.",
    Unreadable: "The registry answered in a way that makes no sense here.",
    Refused: "The registry refused the request.",
}
_HINTS: Final[dict[type[RegistryError], str]] = {
    Unauthorized: "Check user name and password in the registry's settings.",
    Denied: "Ask the registry's administrator which rights this account has.",
    TimedOut: "Try again later; see whether the registry is overloaded.",
    ServerFault: "See the registry's own log; it may pass.",
}


def from_answer(asked: str, complaint: Complaint, retry_after: float | None = None) -> RegistryError:
    """The error for an answer that is no success. `asked` is shown as it is."""
    error = _error_for(asked, complaint, retry_after)
    error.reply, error.reply_code = complaint.status, complaint.code
    return error


def _error_for(asked: str, complaint: Complaint, retry_after: float | None) -> RegistryError:
    code = complaint.status
    answered = complaint.sentence
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(
            "The registry limits how often we may ask.",
            asked=asked,
            answered=answered,
            retry_after=retry_after,
            hint="Wait, lower KUBEDASH_REGISTRY_CONCURRENCY, or use an account with a higher limit.",
        )
    lowered = answered.lower()
    if code == HTTPStatus.BAD_REQUEST and any(words in lowered for words in _SPEAKS_TLS):
        return WrongProtocol(
            "The registry speaks HTTPS at this address, we spoke HTTP.",
            asked=asked,
            answered=answered,
            hint="Begin the registry's address with https://.",
        )
    kind = _kind_of(code, lowered)
    return kind(_SUMMARIES[kind], asked=asked, answered=answered, hint=_HINTS.get(kind))


def _kind_of(code: int, answered: str) -> type[RegistryError]:
    if code == HTTPStatus.NOT_FOUND and _WRONG_ACCEPT in answered:
        # Distribution says so of content that it has.
        return Unsupported
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code >= 500 or code == 499:
        return ServerFault
    return Refused if code >= 400 else Unreadable
