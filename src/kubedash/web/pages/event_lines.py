"""The lines of a timeline as its templates take them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from kubedash.errors import InvalidInput
from kubedash.oci.reference import Reference, RepositoryName
from kubedash.records import Event
from kubedash.web.addresses import Urls
from kubedash.web.formatting import ago, exact_time, iso_time
from kubedash.web.pages import event_words
from kubedash.web.pages.event_folds import Fold, days, fold_key, is_blob
from kubedash.web.pages.event_words import Mark, clock, day_title
from kubedash.web.rendering import Here

DETAILS_SHOWN: Final = 20
_KEY_LENGTH: Final = 12


class EventDetail(msgspec.Struct, frozen=True, gc=False):
    """One event of an unfolded line, whole."""

    time: str
    """For the `datetime` attribute."""
    title: str
    """Time of day and method, to tell events of one line apart."""
    fields: tuple[tuple[str, str], ...]
    """Names and values."""
    raw: str
    """The JSON as it came; empty where it is not shown."""


class EventLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line, every value in the words that stand there."""

    id: int
    """Of the newest event; the line's address is `#event-<id>`."""
    icon: str
    """`push`, `pull`, `delete`, `mount` or `other`."""
    who: str
    """Who did it."""
    who_href: str | None
    """This timeline, only of that actor; None where no actor was named."""
    verb: str
    """What was done, in the past tense."""
    what: str
    """What it was done to."""
    what_href: str | None
    """Its page, or the events of what is gone; None where there can be no page."""
    tail: str
    """The rest of the sentence."""
    note: str
    """How many requests the line stands for; empty for one."""
    count: int
    """The same as a number."""
    pulls: int
    """How many pulls it stands for."""
    fold: str
    """Lines of pulls with the same text here may become one as they arrive; empty for others."""
    place: str
    """Registry and repository; a push or deletion there ends the pulls before it."""
    asked: bool
    """Nothing was pulled: every request was a HEAD."""
    tagged: bool
    """The sentence names a tag."""
    marks: tuple[Mark, ...]
    """What must be said beside it."""
    registry: str | None
    """Where it happened, where the page shows several registries."""
    registry_href: str | None
    """What that registry told."""
    address: str | None
    """Where the client was, as the registry saw it."""
    time: str
    """For the `datetime` attribute."""
    time_exact: str
    """When it happened."""
    ago: str
    """The same in few words."""
    open: bool
    """The line is unfolded."""
    unfold: str
    """This page with the line unfolded, or folded again."""
    details: tuple[EventDetail, ...]
    """Every field of its events, where it is unfolded."""
    details_left: int
    """How many more events it stands for than are shown."""


class DayView(msgspec.Struct, frozen=True):
    """One day of a timeline."""

    iso: str
    """`2026-11-25`."""
    title: str
    """What people call it."""
    lines: tuple[EventLine, ...]
    """Newest first."""


class Lines:
    """Makes the lines of one timeline."""

    def __init__(
        self, urls: Urls, here: Here, *, across: bool, opened: str | None = None, removed: Collection[str] = ()
    ) -> None:
        """`across`: the page shows several registries. `opened`: the id of the line to unfold.

        `removed`: registries that told something and are not there any more: nothing leads to them.
        """
        self._urls = urls
        self._here = here
        self._across = across
        self._opened = opened
        self._removed = removed
        self._now = datetime.now(UTC)

    def days(self, events: Iterable[Event]) -> tuple[DayView, ...]:
        """Events, newest first, as days."""
        return tuple(
            DayView(day.day.isoformat(), day_title(day.day, self._now.date()), tuple(map(self.line, day.folds)))
            for day in days(events)
        )

    def line(self, fold: Fold) -> EventLine:
        head, newest = fold.head, fold.events[0]
        said = event_words.sentence(fold)
        is_open = self._opened is not None and any(str(event.id) == self._opened for event in fold.events)
        moment = newest.at
        registry = head.registry if self._across else None
        return EventLine(
            id=newest.id,
            icon=said.icon,
            who=said.who,
            who_href=self._here(actor=head.actor, cursor=None, open=None) if head.actor else None,
            verb=said.verb,
            what=said.what,
            what_href=self._page_of(head),
            tail=said.tail,
            note=event_words.requests_note(fold),
            count=len(fold.events),
            pulls=event_words.pulls(fold),
            fold=_short_key(head) if head.action == "pull" else "",
            place=f"{head.registry or ''}/{head.repository or ''}",
            asked=event_words.only_asked(fold),
            tagged=head.tag is not None,
            marks=event_words.marks(fold, removed=head.registry in self._removed),
            registry=registry,
            registry_href=self._timeline_of(registry) if registry else None,
            address=head.address,
            time=iso_time(moment),
            time_exact=exact_time(moment),
            ago=ago(moment, self._now),
            open=is_open,
            unfold=self._here(open=None if is_open else newest.id) + f"#event-{newest.id}",
            details=tuple(map(_detail, fold.events[:DETAILS_SHOWN])) if is_open else (),
            details_left=max(0, len(fold.events) - DETAILS_SHOWN) if is_open else 0,
        )

    def _timeline_of(self, registry: str) -> str:
        """Of one that is gone, this timeline shows what it told."""
        if registry in self._removed:
            return self._here(registry=registry, cursor=None, open=None)
        return self._urls.registry(registry, "events")

    def _page_of(self, event: Event) -> str | None:
        """What a deletion named is gone: there its events are the better page."""
        if event.registry is None or event.repository is None or event.registry in self._removed:
            return None
        try:
            repository = RepositoryName.parse(event.repository)
            identifier = _identifier(event)
        except InvalidInput:
            return None
        if event.action == "delete":
            return self._urls.repository(event.registry, repository, "events", tag=event.tag)
        if identifier is None:
            return self._urls.repository(event.registry, repository)
        return self._urls.image(event.registry, repository, identifier)


def _identifier(event: Event) -> str | None:
    """The tag or digest that leads to an image's page. Raises `InvalidInput`."""
    if event.tag:
        return Reference.parse(f"{event.repository}:{event.tag}").identifier
    if event.digest and not is_blob(event):
        return Reference.parse(f"{event.repository}@{event.digest}").identifier
    return None


def _short_key(event: Event) -> str:
    return hashlib.sha256(repr(fold_key(event)).encode()).hexdigest()[:_KEY_LENGTH]


def _detail(event: Event) -> EventDetail:
    title = f"{clock(event.at)} UTC" + (f", {event.method}" if event.method else "")
    return EventDetail(iso_time(event.at), title, event_words.fields(event), event.raw or "")
