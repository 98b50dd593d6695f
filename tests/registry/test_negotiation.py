"""The token flow without a server: requests out, answers in, credential at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import pytest

from kubedash.errors import RegistryError
from kubedash.registry.addresses import AllowList, Base
from kubedash.registry.auth import (
    LEAST_LIFETIME,
    MOST_LIFETIME,
    RENEW_EARLY,
    Credential,
    Login,
    Offer,
    TokenAnswer,
    TokenRequest,
    choose_offer,
    expiry,
    merge_scopes,
    negotiate,
)
from kubedash.registry.challenges import Challenge
from kubedash.registry.errors import Denied, RateLimited, Unauthorized, UnsafeAddress
from kubedash.registry.keyring import Keyring, pull_scope

NOW = 1_800_000_000.0
OFFER = Offer("https://auth.example/token?a=1", "S", ("repository:x:pull", "repository:y:pull"))
ANN = Login("ann", "p:w")


def play(login: Login, *answers: tuple[int, object], offer: Offer = OFFER) -> tuple[Credential, list[TokenRequest]]:
    """Runs a negotiation against scripted answers."""
    negotiation = negotiate(offer, login, NOW)
    asked: list[TokenRequest] = []
    try:
        request = next(negotiation)
        for status, body in answers:
            asked.append(request)
            request = negotiation.send(TokenAnswer(status, json.dumps(body).encode(), "GET https://auth.example/token"))
    except StopIteration as stop:
        return stop.value, asked
    raise AssertionError("it asks for more than the script has")


def query_of(request: TokenRequest) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.url).query)


def test_get_with_basic_and_one_scope_parameter_each() -> None:
    credential, (request,) = play(ANN, (200, {"token": "t", "expires_in": 300}))
    assert credential.header == "Bearer t"
    assert query_of(request) == {
        "a": ["1"],
        "service": ["S"],
        "scope": ["repository:x:pull", "repository:y:pull"],
        "client_id": ["kubedash"],
        "account": ["ann"],
    }
    assert request.authorization == ANN.basic
    assert request.form is None


def test_anonymous_sends_nothing_of_us() -> None:
    _, (request,) = play(Login(), (200, {"token": "t"}))
    assert request.authorization is None
    assert "account" not in query_of(request)


def test_without_a_service_none_is_made_up() -> None:
    _, (request,) = play(Login(), (200, {"token": "t"}), offer=Offer("https://a.example/t", None, ()))
    assert set(query_of(request)) == {"client_id"}


@pytest.mark.parametrize(
    ("body", "header"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"access_token": "a"}, "Bearer a"),
        ({"token": "t", "access_token": "a"}, "Bearer a"),
    ],
)
def test_either_name_of_the_token(body: dict[str, str], header: str) -> None:
    assert play(ANN, (200, body))[0].header == header


def test_identity_token_goes_by_post_with_one_scope() -> None:
    _, (request,) = play(Login(identity_token="i"), (200, {"access_token": "a"}))
    assert request.url == OFFER.realm
    assert request.authorization is None
    assert request.form == {
        "grant_type": "refresh_token",
        "refresh_token": "i",
        "service": "S",
        "client_id": "kubedash",
        "scope": "repository:x:pull repository:y:pull",
    }


def test_registry_token_needs_no_request() -> None:
    credential, asked = play(Login(registry_token="r"))
    assert (credential.header, asked) == ("Bearer r", [])


def test_no_get_means_password_grant() -> None:
    _, asked = play(ANN, (405, {}), (200, {"access_token": "a"}))
    assert asked[1].form is not None
    assert asked[1].form["grant_type"] == "password"


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([(401, {})], Unauthorized),
        ([(400, {"error": "invalid_grant"})], Unauthorized),
        ([(403, {})], Denied),
        ([(429, {})], RateLimited),
        ([(404, {}), (401, {})], Unauthorized),
    ],
)
def test_refusals(answers: Sequence[tuple[int, object]], kind: type[RegistryError]) -> None:
    with pytest.raises(kind) as caught:
        play(ANN, *answers)
    assert "p:w" not in repr(caught.value.diagnostics())


@pytest.mark.parametrize(
    ("expires_in", "issued_at", "seconds"),
    [
        (None, None, LEAST_LIFETIME),
        (0, None, LEAST_LIFETIME),
        (-5, None, LEAST_LIFETIME),
        (300, None, 300),
        ("300", None, 300),
        ("soon", None, LEAST_LIFETIME),
        (float("nan"), None, LEAST_LIFETIME),
        ([], None, LEAST_LIFETIME),
        (10**30, None, MOST_LIFETIME),
        (300, "2027-01-15T08:00:00Z", 300),
        (300, "2027-01-15T07:59:00.123456789Z", 240.123456),
        (300, "2001-01-01T00:00:00Z", 300),
        (300, "2901-01-01T00:00:00Z", 300),
        (300, "yesterday", 300),
        (300, 5, 300),
    ],
)
def test_lifetimes(expires_in: object, issued_at: object, seconds: float) -> None:
    """60 s where less or nothing is said; from now where the other clock is off."""
    assert expiry(expires_in, issued_at, NOW) - NOW == pytest.approx(seconds)


def test_renewal_is_early() -> None:
    credential = Credential("Bearer t", NOW)
    assert credential.is_good_at(NOW - RENEW_EARLY - 1)
    assert not credential.is_good_at(NOW - RENEW_EARLY)
    assert Credential("Bearer r").is_good_at(NOW * 2)


@pytest.mark.parametrize(
    ("text", "wanted", "merged"),
    [
        ("", "", ()),
        ("repository:x:pull", "repository:x:pull", ("repository:x:pull",)),
        ("repository:x:push repository:x:pull", "", ("repository:x:pull,push",)),
        ("repository:a:pull repository:b:pull", "repository:b:pull", ("repository:b:pull", "repository:a:pull")),
        ("repository:host:5000/x:pull", "", ("repository:host:5000/x:pull",)),
    ],
)
def test_scopes(text: str, wanted: str, merged: tuple[str, ...]) -> None:
    """One a resource, ours first, colons in names allowed."""
    assert merge_scopes(text, wanted) == merged


def test_the_challenge_decides_the_scope_and_ours_fills_in() -> None:
    def offer_for(**parameters: str) -> Offer | None:
        return choose_offer(Challenge("bearer", parameters), "repository:x:pull", lambda realm: realm)

    assert offer_for(realm="r", scope="repository:x:*") == Offer("r", None, ("repository:x:*",))
    assert offer_for(realm="r", service="S") == Offer("r", "S", ("repository:x:pull",))
    assert offer_for(service="S") is None


class TestKeyring:
    """What is kept, for whom and how long."""

    def setup_method(self) -> None:
        self.now = NOW
        base = Base.parse("https://registry.example")
        self.keyring = Keyring(base, ANN, AllowList(), clock=lambda: self.now)

    def test_tokens_by_realm_service_and_sorted_scopes(self) -> None:
        swapped = Offer(OFFER.realm, "S", tuple(reversed(OFFER.scopes)))
        self.keyring.keep(OFFER, Credential("Bearer t", NOW + 100))
        kept = self.keyring.token(swapped.key)
        assert kept is not None
        assert kept.header == "Bearer t"
        assert self.keyring.token(Offer(OFFER.realm, "other", OFFER.scopes).key) is None
        self.now += 96
        assert self.keyring.token(OFFER.key) is None

    def test_a_known_scope_is_ready_and_renewed_before_it_fails(self) -> None:
        scope = pull_scope("x")
        assert self.keyring.ready(scope) is None
        self.keyring.note(scope, OFFER)
        self.keyring.keep(OFFER, Credential("Bearer t", NOW + 100))
        assert self.keyring.ready(scope) == "Bearer t"
        self.now += 100
        assert self.keyring.ready(scope) == OFFER

    def test_the_front_door_predicts_repositories_but_not_the_catalog(self) -> None:
        challenge = Challenge("bearer", {"realm": "/token", "service": "S"})
        self.keyring.learn((challenge,), "https://registry.example/v2/")
        assert self.keyring.ready(pull_scope("x")) == Offer(
            "https://registry.example/token", "S", ("repository:x:pull",)
        )
        assert self.keyring.ready("registry:catalog:*") is None

    def test_basic_is_predicted_everywhere(self) -> None:
        self.keyring.learn((Challenge("negotiate"), Challenge("basic")), "https://registry.example/v2/")
        assert self.keyring.ready("registry:catalog:*") == ANN.basic

    def test_what_is_kept_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kubedash.registry.keyring.MAX_KEPT", 10)
        for number in range(50):
            offer = Offer("https://a.example", None, (pull_scope(f"r{number}"),))
            self.keyring.keep(offer, Credential("Bearer t", NOW + 100))
            self.keyring.note(pull_scope(f"r{number}"), offer)
        assert self.keyring.ready(pull_scope("r0")) is None
        assert self.keyring.ready(pull_scope("r49")) == "Bearer t"

    def test_realms_over_plain_http_get_no_password(self) -> None:
        challenge = Challenge("bearer", {"realm": "http://auth.example/token"})
        with pytest.raises(UnsafeAddress):
            self.keyring.choose((challenge,), pull_scope("x"), "https://registry.example/v2/")
        ways = self.keyring.choose((challenge, Challenge("basic")), pull_scope("x"), "https://registry.example/v2/")
        assert ways == (ANN.basic,)

    def test_secrets_do_not_show(self) -> None:
        shown = repr((ANN, Credential("Bearer t"), TokenRequest("https://a", "Basic x")))
        assert "p:w" not in shown
        assert "Basic" not in shown
        assert "Bearer" not in shown
