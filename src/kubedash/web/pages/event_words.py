"""What a timeline says of an event: a sentence, its marks, and every field when unfolded. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from kubedash.records import Event
from kubedash.web.formatting import exact_size, exact_time, plural, short_digest, size
from kubedash.web.pages.event_folds import Fold, is_blob

NOBODY: Final = "somebody"
"""Who acts where the registry named no user."""
UNREADABLE: Final = "unknown"
"""The action of an event that says none, or none that we understand."""
NAMES_SHOWN: Final = 4
ACTIONS: Final = (("push", "Pushes"), ("pull", "Pulls"), ("delete", "Deletions"), ("mount", "Mounts"))
"""Actions that a filter offers, and what people call them."""
_VERBS: Final = {"push": "pushed", "pull": "pulled", "delete": "deleted", "mount": "mounted"}


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A word beside a sentence that keeps it honest."""

    text: str
    tone: str
    """`plain` or `warn`: colour only repeats the word. What is said above the page too stays plain."""
    title: str
    """What it means."""


class Sentence(msgspec.Struct, frozen=True, gc=False):
    """`who` `verb` `what` `tail`: "ci pushed shop/api:1.4 with 2 manifests"."""

    icon: str
    """`push`, `pull`, `delete`, `mount` or `other`."""
    who: str
    verb: str
    what: str
    """What it was done to; what leads to its page stands here."""
    tail: str
    """The rest of the sentence, beginning with a blank or a comma; often empty."""


UNAUTHENTICATED: Final = Mark(
    "not authenticated", "plain", "The post carried no secret that we know: anybody who reaches us could have sent it."
)
OWN: Final = Mark("KubeDash itself", "plain", "A request that KubeDash made, told by its user agent.")
UNATTRIBUTED: Final = Mark(
    "no known registry", "warn", "Neither address nor secret nor host of the post names a registry of ours."
)
REMOVED: Final = Mark(
    "registry removed", "plain", "The registry was removed from KubeDash: what it told is kept, its pages are not."
)
ONLY_ASKED: Final = Mark("only asked", "plain", "HEAD: the client asked for the digest and pulled nothing.")

PART: Final = Mark(
    "part of a pull", "plain", "The client got the image's index a moment before: both together count as one pull."
)


def sentence(fold: Fold) -> Sentence:
    """What happened, in one line; every name in it is somebody else's text."""
    head = fold.head
    who = head.actor or NOBODY
    if head.action == UNREADABLE:
        return Sentence("other", who, "sent", "an event that cannot be read", f": {head.strange or 'no reason'}")
    if head.action not in _VERBS:
        return Sentence("other", who, f"reported {head.action} of", target(head), "")
    if head.action == "delete":
        return _deletion(who, fold)
    verb = "asked for" if only_asked(fold) else _VERBS[head.action]
    blob = "a layer of " if is_blob(head) else ""
    return Sentence(head.action, who, f"{verb} {blob}".strip(), target(head), _tail(fold))


def only_asked(fold: Fold) -> bool:
    """Every request was a HEAD: nothing was pulled."""
    return fold.head.action == "pull" and all(event.method == "HEAD" for event in fold.events)


def only_parts(fold: Fold) -> bool:
    """Manifests were got, and each of them belongs to a pull of something else."""
    got = [event for event in fold.events if event.method != "HEAD" and not is_blob(event)]
    return bool(got) and pulls(fold) == 0 and fold.head.action == "pull" and not fold.head.own


def pulls(fold: Fold) -> int:
    """How many pulls the line stands for, as figures count them."""
    return sum(event.counted and event.action == "pull" for event in fold.events)


def target(event: Event) -> str:
    """`shop/api:1.4`, `shop/api@sha256:4c0fdaa8b634`, `shop/api`, or that nothing was named."""
    name = event.repository or "something unnamed"
    if event.tag:
        return f"{name}:{event.tag}"
    if event.digest and not is_blob(event):
        return f"{name}@{short_digest(event.digest)}"
    return name


def _deletion(who: str, fold: Fold) -> Sentence:
    names = [event.tag for event in fold.events if event.tag]
    digests = [short_digest(event.digest) for event in fold.events if event.digest and not event.tag]
    if len(fold.events) == 1 or not names:
        return Sentence("delete", who, "deleted", target(fold.head), "")
    lost = f", and with it {digests[0]}" if digests else ""
    others = names[1:]
    what = f"{fold.head.repository}:{names[0]}"
    return Sentence("delete", who, "deleted", what, f"{_and_others(others)}{lost}")


def _and_others(names: list[str]) -> str:
    """`, 1.4 and latest`; long lists are cut with how many are left."""
    if not names:
        return ""
    shown, left = names[:NAMES_SHOWN], len(names) - NAMES_SHOWN
    return ", " + ", ".join(shown) + (f" and {plural(left, 'other tag')}" if left > 0 else "")


def _tail(fold: Fold) -> str:
    head = fold.head
    if head.action == "pull":
        pulled, asked = _tags_of_pulls(fold)
        return _and_others([tag for tag in pulled if tag != head.tag]) + _asked_too(asked)
    if len(fold.events) == 1:
        return f" from {head.from_repository}" if head.from_repository else ""
    return _with(fold)


def _tags_of_pulls(fold: Fold) -> tuple[list[str], list[str]]:
    """Tags whose manifest was pulled, by whatever name, and tags that were only asked for."""
    got = {event.digest for event in fold.events if event.method != "HEAD"}
    tags = dict.fromkeys(event.tag for event in fold.events if event.tag)
    pulled = {e.tag for e in fold.events if e.tag and (e.method != "HEAD" or (e.digest and e.digest in got))}
    if only_asked(fold):
        return [tag for tag in tags if tag], []
    return [tag for tag in tags if tag in pulled], [tag for tag in tags if tag and tag not in pulled]


def _asked_too(tags: list[str]) -> str:
    """`, and asked for latest`; empty for none."""
    return f", and asked for {_and_others(tags)[2:]}" if tags else ""


def _with(fold: Fold) -> str:
    """`, with 2 manifests and 5 layers, 3 of them mounted`: what a push brought besides."""
    others = [event for event in fold.events if event is not fold.head]
    blobs = {event.digest or event.id for event in others if is_blob(event)}
    manifests = {event.digest or event.id for event in others if not is_blob(event)}
    mounted = {event.digest or event.id for event in others if event.action == "mount"}
    parts = [plural(len(found), noun) for found, noun in ((manifests, "manifest"), (blobs, "layer or config")) if found]
    text = " and ".join(parts).replace("layer or configs", "layers and configs")
    return f", with {text}" + (f", {len(mounted)} of them mounted" if mounted else "")


def requests_note(fold: Fold) -> str:
    """`1 pull, 3 requests, 1 of them HEAD`: how many events a line of pulls stands for; empty for one."""
    if fold.head.action != "pull" or len(fold.events) == 1:
        return ""
    asked = sum(event.method == "HEAD" for event in fold.events)
    all_asked = asked == len(fold.events)
    told = f"{plural(pulls(fold), 'pull')}, " if pulls(fold) else ""
    return told + plural(len(fold.events), "request") + (f", {asked} of them HEAD" if asked and not all_asked else "")


def marks(fold: Fold, *, removed: bool = False) -> tuple[Mark, ...]:
    """What must be said beside the sentence; `removed`: its registry is not there any more."""
    head = fold.head
    said = (
        (head.strange is not None, Mark("strange", "warn", f"Kept as it came: {head.strange}.")),
        (head.own, OWN),
        (only_asked(fold), ONLY_ASKED),
        (only_parts(fold), PART),
        (not head.authenticated, UNAUTHENTICATED),
        (head.registry is None, UNATTRIBUTED),
        (removed, REMOVED),
    )
    return tuple(mark for holds, mark in said if holds)


def day_title(day: date, today: date) -> str:
    """`Today, 25 November`, `Yesterday, …`, `Monday, 23 November`, with the year where it is another."""
    distance = (today - day).days
    name = {0: "Today", 1: "Yesterday"}.get(distance, f"{day:%A}")
    return f"{name}, {day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def fields(event: Event) -> tuple[tuple[str, str], ...]:
    """Every field that was sent, whole, under the name people call it; what was not sent is left out."""
    told: Iterable[tuple[str, str | None]] = (
        ("Action", event.action or None),
        ("Registry", event.registry),
        ("Repository", event.repository),
        ("Tag", event.tag),
        ("Digest", event.digest),
        ("From repository", event.from_repository),
        ("Media type", event.media_type),
        ("Size", None if event.size is None else f"{size(event.size)} ({exact_size(event.size)})"),
        ("Actor", event.actor),
        ("Address", _address(event)),
        ("User agent", event.user_agent),
        ("Method", event.method),
        ("Counts as", _counts_as(event)),
        ("Happened", exact_time(event.occurred_at) if event.occurred_at else None),
        ("Received", exact_time(event.received_at)),
        ("Instance", event.instance),
        ("Host", event.host),
        ("Posted from", event.sender),
        ("Format", event.format),
        ("Event id", event.event_id),
        ("Strange", event.strange),
    )
    return tuple((name, value) for name, value in told if value)


def _counts_as(event: Event) -> str | None:
    """Of a pull: one of what, or why it is none."""
    if event.action != "pull":
        return None
    if event.counted:
        return f"a pull of the tag {event.pulled_as}" if event.pulled_as else "a pull"
    return PART.text if only_parts(Fold(event, (event,))) else None


def _address(event: Event) -> str | None:
    """An address that a client may have made up says so."""
    if event.address is None:
        return None
    return f"{event.address} (claimed by a header)" if event.address_claimed else event.address


def clock(when: datetime) -> str:
    """`14:05:09`, in UTC."""
    return f"{when.astimezone(UTC):%H:%M:%S}"
