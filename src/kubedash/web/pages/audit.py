"""The audit trail: who changed what, when, from where and with which outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
from litestar import Response, get

from kubedash.errors import InvalidInput, NotFound
from kubedash.records import AuditEntry, AuditQuery, Page
from kubedash.web import addresses
from kubedash.web.addresses import Urls
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, is_fragment, page, urls_of
from kubedash.workflows import audit

PAGE_SIZE: Final = 100
FAMILIES: Final = (
    ("", "Everything"),
    ("tag.*", "Tags"),
    ("tags.*", "Deletions of many tags"),
    ("manifest.*", "Manifests"),
    ("image.*", "Copies"),
    ("registry.*", "Registries"),
    ("sign_in", "Signing in"),
    ("token.*", "Tokens"),
    ("user.*", "Users"),
)
"""Choices of what was done; a chip in a row leads to the one very action."""
OUTCOMES: Final = (
    ("", "Any outcome"),
    ("done", "Done"),
    ("refused", "Refused"),
    ("moved", "Moved meanwhile"),
    ("failed", "Failed"),
    ("undone", "Undone"),
)
WORDS: Final = {
    "image.copy": "copied an image",
    "manifest.delete": "deleted a manifest",
    "registry.add": "added a registry",
    "registry.edit": "changed a registry",
    "registry.event_secret": "set the secret of a registry's events",
    "registry.event_secret_remove": "removed the secret of a registry's events",
    "registry.remove": "removed a registry",
    "sign_in": "signed in",
    "tag.add": "added a tag",
    "tag.delete": "deleted a tag",
    "tag.move": "moved a tag",
    "tag.restore": "restored a tag",
    "tags.delete": "deleted many tags",
    "token.create": "made a token",
    "token.revoke": "revoked a token",
    "user.add": "added a user",
    "user.disable": "locked a user",
    "user.enable": "unlocked a user",
    "user.password": "changed the own password",
    "user.password_reset": "set a new password",
    "user.role": "gave a role",
}
ATTEMPTS: Final = {
    "image.copy": "tried to copy an image",
    "manifest.delete": "tried to delete a manifest",
    "sign_in": "tried to sign in",
    "tag.add": "tried to add a tag",
    "tag.delete": "tried to delete a tag",
    "tag.move": "tried to point a tag elsewhere",
    "tag.restore": "tried to restore a tag",
    "tags.delete": "tried to delete many tags",
}
"""What to say where it did not come to that."""
DOORS: Final = {"session": "page", "token": "API", "cli": "command line", "system": "KubeDash itself"}
TONES: Final = {
    "done": "plain",
    "failed": "bad",
    "moved": "warn",
    "refused": "warn",
    "undo_pending": "bad",
    "undone": "warn",
    "unknown": "bad",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in words."""

    entry: AuditEntry
    """As it was written."""
    words: str
    """What was done."""
    door: str
    """By which way it came."""
    tone: str
    """`plain`, `warn` or `bad`; the word of the outcome stands beside it."""
    href: str | None
    """Where the target is to be seen."""
    details: tuple[tuple[str, str], ...]
    """Everything else that was noted: name and value."""


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    query: AuditQuery
    """What was asked for; it is all in the address."""
    since: str
    """The first day, as it was asked for."""
    until: str
    """The last day, as it was asked for."""
    page: Page[AuditEntry]
    """One page of the trail; its position and cursors."""
    lines: tuple[Line, ...]
    """The rows of that page."""
    families: tuple[tuple[str, str], ...]
    """Choices of what was done, with the one that is asked for."""
    outcomes: tuple[tuple[str, str], ...]
    """Choices of outcomes."""
    filtered: bool
    """A filter is set, so that an empty list may just be no match."""


@get("/admin/audit", name="audit")
async def show_audit(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """`/admin/audit`: newest first; every filter is in the address, under the API's names."""
    asked = request.query_params
    query = read_query(asked)
    found = await audit.open_audit(services, actor, query)
    view = AuditView(
        query=query,
        since=asked.get("since", ""),
        until=asked.get("until", ""),
        page=found,
        lines=tuple(line_of(entry, urls_of(request)) for entry in found.items),
        families=_with_asked(FAMILIES, query.action),
        outcomes=_with_asked(OUTCOMES, query.outcome),
        filtered=any((query.target, query.actor, query.action, query.outcome, query.since, query.until)),
    )
    template = "admin/_audit.html" if is_fragment(request) else "admin/audit.html"
    return page(request, template, view, section="admin")


def read_query(asked: Mapping[str, str]) -> AuditQuery:
    """What an address asks for; both days belong to it. Raises `InvalidInput` that names the field."""
    return AuditQuery(
        actor=asked.get("actor") or None,
        action=asked.get("action") or None,
        target=asked.get("target") or None,
        outcome=asked.get("outcome") or None,
        since=read_day("since", asked.get("since")),
        until=_end_of(read_day("until", asked.get("until"))),
        limit=PAGE_SIZE,
        cursor=asked.get("cursor") or None,
    )


def read_day(field: str, text: str | None) -> datetime | None:
    """`2026-11-25` as its beginning in UTC. Raises `InvalidInput` that names the field."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:40]!r} is no day.", fields={field: "is written as 2026-11-25"}) from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def line_of(entry: AuditEntry, urls: Urls) -> Line:
    """An entry in words. Pure."""
    words = WORDS.get(entry.action, entry.action)
    return Line(
        entry=entry,
        words=words if entry.outcome == "done" else ATTEMPTS.get(entry.action, words),
        door=DOORS.get(entry.via, entry.via),
        tone=TONES.get(entry.outcome, "plain"),
        href=href_of(entry, urls),
        details=tuple(_details(entry.detail)),
    )


def href_of(entry: AuditEntry, urls: Urls) -> str | None:
    """Where the target of an entry is to be seen; None for what has no page. Pure."""
    family = entry.action.partition(".")[0]
    registry, slash, rest = entry.target.partition("/")
    if family == "registry" and entry.action != "registry.remove":
        return urls.registry(entry.target)
    if family in ("image", "manifest", "repository", "tag", "tags") and slash:
        try:
            return urls.of(registry, addresses.parse(rest))
        except NotFound:
            return None
    return None


def _details(detail: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Notes in notes by both names; what was empty is left out."""
    for name, value in detail.items():
        parts = (
            {f"{name}: {inner}": part for inner, part in value.items()} if isinstance(value, dict) else {name: value}
        )
        for title, part in parts.items():
            if part not in (None, [], ""):
                yield title.replace("_", " "), _told(part)


def _told(value: Any) -> str:
    """A noted value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _with_asked(choices: tuple[tuple[str, str], ...], asked: str | None) -> tuple[tuple[str, str], ...]:
    """What is asked for can always be seen as chosen."""
    if not asked or asked in dict(choices):
        return choices
    return (*choices, (asked, WORDS.get(asked, asked).capitalize()))


def _end_of(day: datetime | None) -> datetime | None:
    """The whole day belongs to it."""
    try:
        return day and day + timedelta(days=1)
    except OverflowError:
        return None
