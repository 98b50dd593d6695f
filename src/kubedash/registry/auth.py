"""Registry authentication as values and one I/O-free generator.

Challenge in, requests to the token server out, credential back: `negotiate` yields what
has to be fetched and is sent what came, so every path is tested without a server
(distribution, docs/content/spec/auth/{token,oauth,scope}.md).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from kubedash.errors import RegistryError
from kubedash.registry.challenges import Challenge
from kubedash.registry.complaints import read_complaint
from kubedash.registry.errors import Denied, Unauthorized, Unreadable, from_answer

CLIENT_ID: Final = "kubedash"
MAX_TOKEN_BODY: Final = 64 * 1024
LEAST_LIFETIME: Final = 60
MOST_LIFETIME: Final = 30 * 24 * 3600
RENEW_EARLY: Final = 5
_NO_SUCH_GRANT: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
_REFUSED: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)


class Login(msgspec.Struct, frozen=True):
    """Who we are to one registry. Nothing set: anonymous."""

    username: str | None = None
    password: str | None = None
    identity_token: str | None = None
    """An OAuth2 refresh token, from `docker login`."""
    registry_token: str | None = None
    """Used as a bearer token as it is."""

    def __repr__(self) -> str:
        return "Login(…)"

    @property
    def is_anonymous(self) -> bool:
        return not (self.has_password or self.identity_token or self.registry_token)

    @property
    def has_password(self) -> bool:
        return bool(self.username) and self.password is not None

    @property
    def basic(self) -> str:
        """The Authorization header of RFC 7617, in UTF-8."""
        pair = f"{self.username}:{self.password or ''}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class TokenRequest(msgspec.Struct, frozen=True):
    """What to send to the token server; `form` makes it a POST."""

    url: str
    authorization: str | None = None
    form: dict[str, str] | None = None

    def __repr__(self) -> str:
        return "TokenRequest(…)"


class TokenAnswer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    asked: str
    """For diagnostics: the method and the address without its query."""


class Credential(msgspec.Struct, frozen=True):
    """An Authorization header and when it stops being good, in seconds of the clock."""

    header: str
    expires: float | None = None

    def __repr__(self) -> str:
        return "Credential(…)"

    def is_good_at(self, now: float) -> bool:
        return self.expires is None or now < self.expires - RENEW_EARLY


class TokenKey(msgspec.Struct, frozen=True):
    """Under what a token is kept. One login a keyring, so the credential is implied."""

    realm: str
    service: str | None
    scopes: tuple[str, ...]


Negotiation = Generator[TokenRequest, TokenAnswer, Credential]


class Offer(msgspec.Struct, frozen=True):
    """A bearer challenge made safe: its realm resolved and checked, its scopes chosen."""

    realm: str
    service: str | None
    scopes: tuple[str, ...]
    """In the order to send: the one we need first, as some servers honour only that."""

    @property
    def key(self) -> TokenKey:
        return TokenKey(self.realm, self.service, tuple(sorted(self.scopes)))


def choose_offer(challenge: Challenge, wanted: str, resolve_realm: Callable[[str], str]) -> Offer | None:
    """The bearer challenge as an offer; None when it names no realm.

    `wanted` is the scope we think we need, used where the challenge names none.
    `resolve_realm` makes the realm absolute and raises `UnsafeAddress`.
    """
    realm = challenge.get("realm")
    if not realm:
        return None
    scopes = merge_scopes(challenge.get("scope") or wanted, wanted)
    return Offer(resolve_realm(realm), challenge.get("service"), scopes)


def merge_scopes(text: str, wanted: str) -> tuple[str, ...]:
    """One scope a resource, actions merged and sorted, the resource of `wanted` first.

    Where `wanted` has several scopes (a mount needs two repositories in one token), those
    behind the first are asked for whatever the challenge says: registries name one alone.
    A resource's name may hold a colon (host:port), so scopes are read from both ends.
    """
    leading, *others = wanted.split() or [""]
    merged: dict[str, set[str]] = {}
    for scope in (*text.split(), *others):
        resource, _, actions = scope.rpartition(":")
        merged.setdefault(resource, set()).update(filter(None, actions.split(",")))
    first = leading.rpartition(":")[0]
    ordered = sorted(merged, key=lambda resource: resource != first)
    return tuple(f"{resource}:{','.join(sorted(merged[resource]))}" for resource in ordered)


def negotiate(offer: Offer, login: Login, now: float) -> Negotiation:
    """Gets a bearer token. Raises `Unauthorized`, `Denied`, `Unreadable` and their kin.

    An identity token is exchanged by POST (OAuth2 refresh_token); a password goes by GET,
    and by POST where the server has no GET. Servers without OAuth2 answer 404, 405 or 501.
    """
    if login.registry_token:
        return Credential(f"Bearer {login.registry_token}")
    answer = None
    if login.identity_token:
        answer = yield _post(offer, grant_type="refresh_token", refresh_token=login.identity_token)
        if answer.status not in _NO_SUCH_GRANT or not login.has_password:
            return _credential(answer, login, now)
    answer = yield _get(offer, login)
    if answer.status in _NO_SUCH_GRANT and login.has_password:
        answer = yield _post(offer, grant_type="password", username=login.username or "", password=login.password or "")
    return _credential(answer, login, now)


def _get(offer: Offer, login: Login) -> TokenRequest:
    query: list[tuple[str, str]] = []
    if offer.service is not None:
        query.append(("service", offer.service))
    query.extend(("scope", scope) for scope in offer.scopes)
    query.append(("client_id", CLIENT_ID))
    if login.has_password:
        query.append(("account", login.username or ""))
    joint = "&" if "?" in offer.realm else "?"
    return TokenRequest(f"{offer.realm}{joint}{urlencode(query)}", login.basic if login.has_password else None)


def _post(offer: Offer, **grant: str) -> TokenRequest:
    form = {**grant, "service": offer.service or "", "client_id": CLIENT_ID}
    if offer.scopes:
        form["scope"] = " ".join(offer.scopes)
    return TokenRequest(offer.realm, form=form)


class _Token(msgspec.Struct):
    """The token server's answer; everything in it may be missing or odd."""

    token: str | None = None
    access_token: str | None = None
    expires_in: Any = None
    issued_at: Any = None


def _credential(answer: TokenAnswer, login: Login, now: float) -> Credential:
    if answer.status != HTTPStatus.OK:
        raise _refusal(answer, login)
    try:
        read = msgspec.json.decode(answer.body, type=_Token)
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            "The token server's answer is no token.", asked=answer.asked, answered=f"200: {error}"[:200]
        ) from error
    token = read.access_token or read.token
    if not token or not token.isascii() or not token.isprintable():
        raise Unreadable("The token server's answer holds no token.", asked=answer.asked, answered="200 without token")
    return Credential(f"Bearer {token}", expiry(read.expires_in, read.issued_at, now))


def _refusal(answer: TokenAnswer, login: Login) -> RegistryError:
    complaint = read_complaint(answer.status, answer.body)
    if answer.status in _REFUSED:
        anonymous = login.is_anonymous
        return Unauthorized(
            "The token server wants credentials." if anonymous else "The token server does not accept the credentials.",
            asked=answer.asked,
            answered=complaint.sentence,
            hint="Add a user name and password." if anonymous else "Check user name and password.",
        )
    if answer.status == HTTPStatus.FORBIDDEN:
        return Denied("The token server does not allow this.", asked=answer.asked, answered=complaint.sentence)
    return from_answer(answer.asked, complaint)


def expiry(expires_in: Any, issued_at: Any, now: float) -> float:
    """When a token ends: 60 s where nothing is said or less is; from now where clocks disagree."""
    lifetime = float(LEAST_LIFETIME)
    if isinstance(expires_in, int | float | str):
        try:
            lifetime = min(max(float(expires_in), LEAST_LIFETIME), MOST_LIFETIME)
        except ValueError:
            lifetime = float(LEAST_LIFETIME)
    if lifetime != lifetime:  # NaN
        lifetime = float(LEAST_LIFETIME)
    issued = _seconds(issued_at)
    if issued is None or not now < issued + lifetime <= now + lifetime:
        issued = now
    return issued + lifetime


def _seconds(text: Any) -> float | None:
    try:
        return msgspec.convert(text, datetime).timestamp() if isinstance(text, str) else None
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None


def refused_after(challenges: Sequence[Challenge], login: Login, asked: str, answered: str) -> RegistryError:
    """The error when the registry says 401 to a credential made for its own challenge."""
    errors = {challenge.get("error") for challenge in challenges}
    if login.is_anonymous:
        return Unauthorized(
            "The registry wants credentials for this.",
            asked=asked,
            answered=answered,
            hint="Add a user name and password.",
        )
    if "invalid_token" in errors:
        return Unauthorized(
            "The registry does not accept its own token server's token.",
            asked=asked,
            answered=answered,
            hint="Check the registry's token settings (issuer, service, certificate) and both clocks.",
        )
    return Denied(
        "The account lacks the rights for this.",
        asked=asked,
        answered=answered,
        hint="Ask the registry's administrator which rights this account has.",
    )
