"""What is known about convincing one registry: tokens, and which scheme each scope wants.

Knowledge saves round trips and is never trusted: every 401 is answered by its own
challenge, because the scheme differs by path (Harbor's catalog wants Basic, all else
Bearer).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kubedash.registry.addresses import AllowList, Base, resolve_elsewhere
from kubedash.registry.auth import Credential, Login, Offer, TokenKey, choose_offer
from kubedash.registry.challenges import Challenge
from kubedash.registry.errors import UnsafeAddress

MAX_KEPT: Final = 4096
CATALOG_SCOPE: Final = "registry:catalog:*"
NO_SCOPE: Final = ""


def pull_scope(repository: str) -> str:
    """The scope distribution asks for reads (registry/handlers/app.go)."""
    return f"repository:{repository}:pull"


def push_scope(repository: str) -> str:
    """The scope distribution asks for uploads and for manifests that are put."""
    return f"repository:{repository}:pull,push"


def mount_scope(repository: str, source: str) -> str:
    """Both repositories in one token: a registry that misses one answers as if it could not mount."""
    return f"{push_scope(repository)} {pull_scope(source)}"


def delete_scope(repository: str) -> str:
    """The scope distribution asks for DELETE; most token servers grant no more than they are asked for."""
    return f"repository:{repository}:delete"


class _Basic(msgspec.Struct, frozen=True):
    """This scope takes user name and password."""


_BASIC: Final = _Basic()


class Keyring:
    """One registry, one login. Does no I/O."""

    def __init__(self, base: Base, login: Login, allowed: AllowList, *, clock: Callable[[], float] = time.time) -> None:
        self.login = login
        self._base = base
        self._allowed = allowed
        self._clock = clock
        self._tokens: dict[TokenKey, Credential] = {}
        self._ways: dict[str, _Basic | Offer] = {}
        self._default: _Basic | Challenge | None = None
        self.service: str | None = None
        """The name the token server calls the registry by, where it has one."""

    def ready(self, scope: str) -> str | Offer | None:
        """What to begin with: a header, an offer to take up first, or nothing known."""
        way = self._ways.get(scope)
        if way is None:
            way = self._predict(scope)
        if isinstance(way, Offer):
            token = self.token(way.key)
            return token.header if token else way
        return self.login.basic if way is not None else None

    def token(self, key: TokenKey) -> Credential | None:
        """A token that is good for some seconds more."""
        credential = self._tokens.get(key)
        return credential if credential is not None and credential.is_good_at(self._clock()) else None

    def now(self) -> float:
        return self._clock()

    def learn(self, challenges: Sequence[Challenge], here: str) -> None:
        """Notes what the registry's front door said, also beside a 200 (zot)."""
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.get("realm"):
                self.service = challenge.get("service")
                self._default = Challenge("bearer", {**challenge.parameters, "here": here})
                return
        if self.login.has_password and any(challenge.scheme == "basic" for challenge in challenges):
            self._default = _BASIC

    def choose(self, challenges: Sequence[Challenge], scope: str, here: str) -> tuple[str | Offer, ...]:
        """The ways to answer a 401, best first: bearer offers, then the Basic header.

        Raises `UnsafeAddress` when the only way is a realm we do not go to.
        """
        ways: list[str | Offer] = []
        refused: UnsafeAddress | None = None
        for challenge in challenges:
            if challenge.scheme != "bearer":
                continue
            try:
                offer = choose_offer(challenge, scope, lambda realm: self._realm(here, realm))
            except UnsafeAddress as error:
                refused = error
                continue
            if offer is not None:
                ways.append(offer)
        if self.login.has_password and any(challenge.scheme == "basic" for challenge in challenges):
            ways.append(self.login.basic)
        if refused is not None and not ways:
            raise refused
        return tuple(ways)

    def keep(self, offer: Offer, credential: Credential) -> None:
        """A token that was just issued."""
        if len(self._tokens) >= MAX_KEPT:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[offer.key] = credential

    def note(self, scope: str, way: str | Offer) -> None:
        """This way opened this scope."""
        if len(self._ways) >= MAX_KEPT:
            del self._ways[next(iter(self._ways))]
        self._ways[scope] = way if isinstance(way, Offer) else _BASIC
        if isinstance(way, Offer):
            self.service = way.service

    def _predict(self, scope: str) -> _Basic | Offer | None:
        """The front door's way, for repositories and itself; the catalog may differ, so it is asked."""
        if not isinstance(self._default, Challenge):
            return self._default
        if not scope.startswith("repository:"):
            return None
        here = self._default.parameters["here"]
        try:
            return choose_offer(self._default, scope, lambda realm: self._realm(here, realm))
        except UnsafeAddress:
            return None

    def _realm(self, here: str, realm: str) -> str:
        return resolve_elsewhere(self._base, here, realm, self._allowed, secret=True)
