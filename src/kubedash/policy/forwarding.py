"""Which events are passed on, how they read, how they are signed and when to try again. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from kubedash.errors import InvalidInput
from kubedash.policy.registry_settings import read_slug
from kubedash.records import Event, ForwardKind, ForwardSettings, encode_json

ACTIONS: Final = ("push", "pull", "delete", "mount")
"""What a form offers; registries may have more of their own."""
MAX_URL: Final = 2_000
MAX_SECRET: Final = 500
GIVE_UP_AFTER: Final = timedelta(hours=24)
MAX_REFUSALS: Final = 3
"""An answer that says that this event will never be taken is believed after so many tries."""
MAX_WAITING: Final = 10_000
"""Events that wait for one receiver; beyond it the oldest are dropped."""
LINES: Final = 20
"""Events in one message to a chat."""
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=30)
_ACTION: Final = re.compile(r"[a-z0-9_.-]{1,64}")
_PATTERN: Final = re.compile(r"[a-z0-9._/*?-]{0,255}")
_PAST: Final = {"push": "pushed", "pull": "pulled", "delete": "deleted", "mount": "mounted"}
_TRY_AGAIN: Final = frozenset({408, 425, 429})


def normalise(settings: ForwardSettings) -> ForwardSettings:
    """The settings in their one spelling.

    A private address is normal here, as it is for registries. Raises `InvalidInput` whose
    `fields` names everything that is wrong at once.
    """
    problems: dict[str, str] = {}
    try:
        name = read_slug(settings.name.strip())
    except InvalidInput as error:
        name, problems["name"] = "", error.message
    url = settings.url.strip()
    if problem := _url_problem(url):
        problems["url"] = problem
    actions = tuple(dict.fromkeys(action.strip().lower() for action in settings.actions if action.strip()))
    if not actions or not all(map(_ACTION.fullmatch, actions)):
        problems["actions"] = "name at least one, such as push"
    pattern = settings.pattern.strip()
    if not _PATTERN.fullmatch(pattern):
        problems["pattern"] = "a repository's name, with * and ? for the parts that may be anything"
    secret = settings.secret or None
    if secret is not None and len(secret) > MAX_SECRET:
        problems["secret"] = f"at most {MAX_SECRET} characters"
    if problems:
        raise InvalidInput("Some of it cannot be used.", fields=problems)
    registry = settings.registry or None
    return replace(settings, name=name, url=url, actions=actions, pattern=pattern, secret=secret, registry=registry)


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > MAX_URL or any(ord(sign) <= 0x20 or ord(sign) == 0x7F for sign in url):
        return "an http or https address"
    if "@" in parts.netloc:
        return "without user and password in it"
    return None


def host_of(url: str) -> str:
    """What may be shown of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def wants(registry: str | None, actions: Sequence[str], pattern: str, event: Event) -> bool:
    """Whether an event is passed on: looks, layers and what KubeDash asked for itself never are."""
    if event.action not in actions or (event.action in ACTIONS and not event.counted):
        return False
    if registry is not None and event.registry != registry:
        return False
    return not pattern or (event.repository is not None and fnmatchcase(event.repository, pattern))


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`sha256=…` over the time and the body, so that neither can be exchanged."""
    signed = f"{timestamp}.".encode() + body
    return f"sha256={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def message_body(sentences: Sequence[str]) -> bytes:
    """A message for a chat, in the form of Slack's incoming webhooks."""
    return encode_json({"text": "\n".join(sentences)})


def sentence(event: Event) -> str:
    """`ci pushed shop/api:1.4 · main`, marked up and escaped for Slack."""
    what = event.repository or "something"
    if event.tag:
        what += f":{event.tag}"
    elif event.digest:
        what += f"@{event.digest.partition(':')[0]}:{event.digest.partition(':')[2][:12]}"
    who = _escaped(event.actor or "Somebody")
    done = _PAST.get(event.action, event.action.replace("_", " "))
    where = f" · {_escaped(event.registry)}" if event.registry else ""
    doubt = "" if event.authenticated else " · sender not authenticated"
    return f"*{who}* {_escaped(done)} `{_escaped(what)}`{where}{doubt}"


def _escaped(text: str) -> str:
    """No link, mention or end of mark-up of a stranger's (Slack, "Formatting text")."""
    plain = "".join(sign if sign.isprintable() else " " for sign in text[:300])
    for sign, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "'"), ("*", "\N{ASTERISK OPERATOR}")):
        plain = plain.replace(sign, instead)
    return plain


def pause(failures: int, asked_for: float | None) -> timedelta:
    """Until the next try: longer each time, and as long as the receiver asked for."""
    doubled = 1 << min(max(failures - 1, 0), 12)
    wanted = min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)
    return max(wanted, timedelta(seconds=min(asked_for or 0.0, _LONGEST_PAUSE.total_seconds())))


def is_refusal(status: int) -> bool:
    """Whether the receiver says of this very event that it does not take it."""
    return 400 <= status < 500 and status not in _TRY_AGAIN


def is_too_old(created: datetime, now: datetime) -> bool:
    return now - created > GIVE_UP_AFTER


def text_of(kind: ForwardKind, event: Event) -> str:
    """What waits to be sent: the event, or its sentence."""
    return sentence(event) if kind is ForwardKind.SLACK else encode_json(event).decode()
