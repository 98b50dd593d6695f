"""What registries told us, and what is asked about it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubedash.records.base import Record

UNATTRIBUTED: Final = "-"
"""As the registry of a filter: events that nobody could tell a registry for."""


class Event(Record, frozen=True, kw_only=True):
    """One event as a registry told it. Every text is a stranger's."""

    id: int
    """Ours; rises with the order of arrival."""
    event_id: str
    """The sender's, or one made of the content."""
    registry: str | None
    """None: told by nobody we know."""
    action: str
    repository: str | None
    tag: str | None
    digest: str | None
    media_type: str | None
    size: int | None
    actor: str | None
    address: str | None
    """Of who asked the registry, without port."""
    address_claimed: bool
    """The address came from a header that anybody may send."""
    user_agent: str | None
    method: str | None
    at: datetime
    """What lists are sorted by: the registry's time where it is believable, else ours."""
    occurred_at: datetime | None
    """The registry's own clock, as it said."""
    received_at: datetime
    authenticated: bool
    """The sender knew the secret."""
    own: bool
    """KubeDash itself asked the registry, as far as the User-Agent can be believed."""
    counted: bool
    """Takes part in figures: no HEAD, no layer, no part of another pull, nothing of our own."""
    from_repository: str | None
    """Where a mounted blob came from."""
    host: str | None
    """The registry's host as its client wrote it."""
    instance: str | None
    """Changes when the registry restarts."""
    sender: str | None
    """The address that posted the event to us."""
    format: str
    strange: str | None
    """Why the event could not be read whole."""
    pulled_as: str | None = None
    """The tag of a pull by digest whose client had turned it into one; such a pull counts for the tag."""
    raw: str | None = None
    """A strange event as it came, capped."""


class Webhook(Record, frozen=True, kw_only=True):
    """Where a registry posts its events, and what came of it."""

    registry: str
    url: str
    has_secret: bool
    secret_created_at: datetime | None
    token_required: bool
    """KUBEDASH_EVENTS_TOKEN is set: without it or the registry's own secret nothing is taken."""
    last_received: datetime | None
    """None: nothing ever came."""
    last_authenticated: bool | None
    """Whether the newest event came with the secret."""
    block: str
    """The registry's `notifications:` block. Where a secret is needed its line is there to be filled in: it is not
    shown again, and a comment says how to make a new one."""


class CreatedEventSecret(Record, frozen=True, kw_only=True):
    """A secret just made: shown this once."""

    registry: str
    secret: str
    url: str
    block: str
    """The registry's `notifications:` block, ready to paste."""

    def __repr__(self) -> str:
        return "CreatedEventSecret(…)"


class EventFilter(Record, frozen=True, kw_only=True):
    """Which events; None or empty does not restrict."""

    registry: str | None = None
    """A registry's name, or `UNATTRIBUTED`."""
    repository: str | None = None
    tag: str | None = None
    digest: str | None = None
    actions: tuple[str, ...] = ()
    actor: str | None = None
    address: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before this moment."""
    quiet: bool = False
    """Without what KubeDash itself only read; what it pushed and deleted stays."""


class EventQuery(Record, frozen=True, kw_only=True):
    """A page of a timeline."""

    where: EventFilter = EventFilter()
    sort: str = "-at"
    """`at`; a leading `-` reverses."""
    limit: int = 100
    cursor: str | None = None


class EventCounts(Record, frozen=True, kw_only=True):
    """How often what happened. `other` is everything that no figure counts: checks, layers, parts of
    pulls, our own requests."""

    push: int = 0
    pull: int = 0
    delete: int = 0
    mount: int = 0
    other: int = 0


class EventPoint(Record, frozen=True, kw_only=True):
    """One step of a series."""

    at: datetime
    """Where the step begins."""
    counts: EventCounts


class TopEntry(Record, frozen=True, kw_only=True):
    """One line of a top list: a repository or an actor."""

    name: str
    registry: str | None
    """Of a repository; None for actors, and for events of nobody we know."""
    count: int


class EventStats(Record, frozen=True, kw_only=True):
    """The figures of a stretch of time, in UTC."""

    since: datetime
    """The first moment counted: whole hours, or whole days for more than two of them."""
    until: datetime
    step: int
    """Seconds of a point: an hour or a day."""
    totals: EventCounts
    points: tuple[EventPoint, ...]
    """From `since` to `until` without gaps."""
    top_repositories: tuple[TopEntry, ...]
    top_actors: tuple[TopEntry, ...]
    by_hour: tuple[int, ...]
    """24 sums, by hour of the day in UTC."""
    complete_since: datetime | None = None
    """Set where there was more to count than is counted at once: nothing before it is in the figures."""
    as_of: datetime | None = None
    """When figures were last brought up to date."""
