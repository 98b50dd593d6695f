"""Tries a registry step by step, so that a person sees how far it goes and why no further."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from msgspec.structs import replace

from kubedash.errors import Diagnostics, InvalidInput, RegistryError
from kubedash.oci.reference import RepositoryName
from kubedash.policy.registry_settings import candidates, has_scheme, is_loopback
from kubedash.records import Record, RegistryConnection, RegistrySecrets, RegistrySettings
from kubedash.registry.client import Listing, Ping, RegistryClient
from kubedash.registry.errors import Absent, Denied, NotARegistry, TlsFailed, Unauthorized, Unreachable, WrongProtocol
from kubedash.workflows.services import Services

N = TypeVar("N", bound=str)
TRIED_REPOSITORIES: Final = 3


class StepState(StrEnum):
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckStep(Record, frozen=True, kw_only=True):
    """One thing that was tried: `reachable`, `tls`, `signed_in`, `catalog` or `tags`."""

    name: str
    title: str
    state: StepState
    sentence: str
    diagnostics: Diagnostics | None = None


class CheckReport(Record, frozen=True, kw_only=True):
    """What a registry answered, step by step."""

    url: str
    """The address that answered; with its scheme where none was given."""
    steps: tuple[CheckStep, ...]
    api_version: str | None = None
    """The `Docker-Distribution-Api-Version` header."""
    product: str | None = None
    clock_skew: float | None = None
    """Seconds that the registry's clock is ahead of ours."""
    ok: bool = False


class CheckFailed(InvalidInput):
    """The registry did not pass: what it answered, the fields to look at, and every step."""

    slug = "registry-check-failed"
    title = "The registry did not pass the test"
    exit_code = 1

    def __init__(self, report: CheckReport, step: CheckStep, fields: dict[str, str]) -> None:
        super().__init__(step.sentence, fields=fields)
        self.report = report
        if step.diagnostics is not None:
            self.hint = step.diagnostics.hint
            self.asked = step.diagnostics.asked
            self.answered = step.diagnostics.answered


TITLES: Final = {
    "reachable": "Reachable",
    "tls": "Encrypted connection",
    "signed_in": "Signed in",
    "catalog": "List of repositories",
    "tags": "Tags readable",
}
_NECESSARY: Final = ("reachable", "tls", "signed_in", "catalog")
"""Without these there is nothing to browse; a failure of the others is only reported."""


def refuse_failed(report: CheckReport) -> None:
    """Raises `CheckFailed` where a step failed that nothing works without."""
    for step in report.steps:
        if step.state is StepState.FAILED and step.name in _NECESSARY:
            raise CheckFailed(report, step, fields_of(step))


def fields_of(step: CheckStep) -> dict[str, str]:
    """The fields of the form that a failed step speaks of."""
    if step.name == "signed_in":
        return {"password": step.sentence}
    if step.name == "catalog":
        return {"repositories": step.sentence}
    if step.name == "tls":
        return {"ca_pem": step.sentence}
    return {"url": step.sentence}


async def run_check(services: Services, settings: RegistrySettings, secrets: RegistrySecrets) -> CheckReport:
    """Tries everything that browsing needs; never raises a registry's error."""
    settings, failure = await _with_scheme(services, settings, secrets)
    async with services.registries.temporary(RegistryConnection(settings=settings, secrets=secrets)) as client:
        answer = failure or await _ping(client)
        answered = services.clock()
        steps = list(judge_ping(settings, secrets, answer))
        if isinstance(answer, Ping):
            names, catalog = await _try_catalog(client, settings)
            steps += [catalog, await _try_tags(client, names)]
        else:
            steps += [_skipped("catalog"), _skipped("tags")]
    return CheckReport(
        url=settings.url,
        steps=tuple(steps),
        api_version=answer.api_version if isinstance(answer, Ping) else None,
        product=answer.product if isinstance(answer, Ping) else None,
        clock_skew=skew_of(answer, answered) if isinstance(answer, Ping) else None,
        ok=all(step.state is not StepState.FAILED for step in steps),
    )


def skew_of(ping: Ping, now: datetime) -> float | None:
    """Whole seconds that the registry's clock is ahead; None where it told no time. Pure."""
    return None if ping.date is None else float(round((ping.date - now).total_seconds()))


async def _with_scheme(
    services: Services, settings: RegistrySettings, secrets: RegistrySecrets
) -> tuple[RegistrySettings, RegistryError | None]:
    """A bare host is https, unless only http answers there; and why neither does, where that was found.

    The second try carries no secrets. A password is then not sent in the clear over a
    network by itself: raises `InvalidInput`, because that is for a person to decide.
    """
    if has_scheme(settings.url):
        return settings, None
    https, http = (replace(settings, url=url) for url in candidates(settings.url))
    async with services.registries.temporary(RegistryConnection(settings=https, secrets=secrets)) as client:
        encrypted = await _ping(client)
    if not isinstance(encrypted, TlsFailed | Unreachable):
        return https, None
    anonymous = RegistryConnection(settings=replace(http, username=None), secrets=RegistrySecrets())
    async with services.registries.temporary(anonymous) as client:
        plain = await _ping(client)
    if not isinstance(plain, Ping | Unauthorized | Denied):
        return _more_telling((https, encrypted), (http, plain))
    if secrets != RegistrySecrets() and not is_loopback(http.url):
        raise InvalidInput(
            "It answers without encryption only, so the password would travel in the clear.",
            fields={"url": f"Only plain http answers here. Write {http.url} to use it all the same."},
        )
    return http, None


def _more_telling(
    encrypted: tuple[RegistrySettings, RegistryError], plain: tuple[RegistrySettings, RegistryError]
) -> tuple[RegistrySettings, RegistryError]:
    """A web server that is found by http says more than that nobody answers by https. Pure."""
    certificate = isinstance(encrypted[1], TlsFailed) and not isinstance(encrypted[1], WrongProtocol)
    return plain if isinstance(plain[1], NotARegistry) and not certificate else encrypted


async def _ping(client: RegistryClient) -> Ping | RegistryError:
    try:
        return await client.ping()
    except RegistryError as error:
        return error


def judge_ping(
    settings: RegistrySettings, secrets: RegistrySecrets, answer: Ping | RegistryError
) -> tuple[CheckStep, CheckStep, CheckStep]:
    """What the first answer says about reaching the registry, encryption and signing in. Pure."""
    reached = _passed("reachable", f"{settings.url} answers as a registry.")
    if isinstance(answer, Ping):
        return reached, _encryption(settings), _passed("signed_in", _identity(settings, secrets, answer))
    if isinstance(answer, TlsFailed) and not isinstance(answer, WrongProtocol):
        return (
            _passed("reachable", f"Something answers at {settings.url}."),
            _failed("tls", answer),
            _skipped("signed_in"),
        )
    if isinstance(answer, Unauthorized | Denied):
        return reached, _encryption(settings), _failed("signed_in", answer)
    return _failed("reachable", answer), _skipped("tls"), _skipped("signed_in")


def _encryption(settings: RegistrySettings) -> CheckStep:
    if settings.url.startswith("http://"):
        return _skipped("tls", "The connection is not encrypted: the address begins with http://.")
    if not settings.tls_verify:
        return _skipped("tls", "Encrypted, but the certificate is not checked: verification is off.")
    by = "the CA given here" if settings.ca_pem else "the system's authorities"
    return _passed("tls", f"The certificate is valid by {by}.")


def _identity(settings: RegistrySettings, secrets: RegistrySecrets, ping: Ping) -> str:
    if ping.authenticated:
        return f"Signed in as {settings.username}." if settings.username else "Signed in with a token."
    if settings.username or secrets != RegistrySecrets():
        return "The registry did not ask for the user and password, so they are not proven."
    return "Anonymous: the registry asks for no user."


async def _try_catalog(
    client: RegistryClient, settings: RegistrySettings
) -> tuple[tuple[RepositoryName, ...], CheckStep]:
    listed = settings.repositories
    if listed:
        count = f"{len(listed):,} repository is" if len(listed) == 1 else f"{len(listed):,} repositories are"
        return listed, _skipped("catalog", f"Not asked for: {count} listed by hand.")
    try:
        names = await _first(client.repositories())
    except RegistryError as error:
        return (), _failed("catalog", error, hint="List the repositories by hand if the registry never allows it.")
    if not names:
        return (), _passed("catalog", "It may be read, and is empty so far.")
    return names, _passed("catalog", f"It may be read; it begins with {names[0]}.")


async def _try_tags(client: RegistryClient, names: tuple[RepositoryName, ...]) -> CheckStep:
    """A deleted repository stays in many catalogs without tags, so a few are tried."""
    for name in names[:TRIED_REPOSITORIES]:
        try:
            found = await _first(client.tags(name))
        except Absent:
            continue
        except RegistryError as error:
            return _failed("tags", error)
        if found:
            return _passed("tags", f"The tags of {name} can be read.")
    if names:
        return _passed("tags", "The first repositories are empty, but may be read.")
    return _skipped("tags", "There is no repository to try.")


async def _first(listing: Listing[N]) -> tuple[N, ...]:
    """The first page alone; the rest is not asked for."""
    pages = aiter(listing)
    try:
        async for page in pages:
            return page
        return ()
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()


def _passed(name: str, sentence: str) -> CheckStep:
    return CheckStep(name=name, title=TITLES[name], state=StepState.OK, sentence=sentence)


def _skipped(name: str, sentence: str = "Not tried, because an earlier step failed.") -> CheckStep:
    return CheckStep(name=name, title=TITLES[name], state=StepState.SKIPPED, sentence=sentence)


def _failed(name: str, error: RegistryError, hint: str | None = None) -> CheckStep:
    found = error.diagnostics()
    return CheckStep(
        name=name,
        title=TITLES[name],
        state=StepState.FAILED,
        sentence=error.message,
        diagnostics=Diagnostics(found.summary, found.asked, found.answered, hint or found.hint),
    )
