"""Passing events on: who gets which, for administrators."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from msgspec.structs import replace

from kubedash.errors import Conflict, InvalidInput, NotFound
from kubedash.hooks import Answer, Hooks
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.forwarding import host_of, message_body, normalise, signature
from kubedash.records import CreatedForward, Forward, ForwardKind, ForwardSettings, Record, encode_json
from kubedash.storage import audit, forwards, registries
from kubedash.storage.database import ReadSession
from kubedash.workflows.services import Services

_SECRET_BYTES: Final = 32


class Target(Record, frozen=True, kw_only=True):
    """Where a forward goes; sealed at rest."""

    url: str
    secret: str | None = None

    def __repr__(self) -> str:
        return "Target(…)"


async def list_forwards(services: Services, actor: Actor) -> tuple[Forward, ...]:
    """All by name, and how each does."""
    access.require(actor, Permission.EVENTS_FORWARD)
    async with services.database.read() as session:
        return await forwards.list_all(session)


async def show_forward(services: Services, actor: Actor, name: str) -> Forward:
    """Raises `NotFound`."""
    access.require(actor, Permission.EVENTS_FORWARD)
    async with services.database.read() as session:
        return await _named(session, name)


async def add_forward(services: Services, actor: Actor, settings: ForwardSettings) -> CreatedForward:
    """From the next event on. A webhook without a secret gets one, which is shown this once.

    Raises `InvalidInput` with `fields`, `Conflict` where the name is taken.
    """
    access.require(actor, Permission.EVENTS_FORWARD)
    wanted = normalise(settings)
    made = None
    if wanted.kind is ForwardKind.WEBHOOK and wanted.secret is None:
        made = secrets.token_urlsafe(_SECRET_BYTES)
        wanted = replace(wanted, secret=made)
    sealed = services.sealer.seal(encode_json(Target(url=wanted.url, secret=wanted.secret)))
    now = services.clock()
    async with services.database.write() as session:
        if await forwards.find(session, wanted.name) is not None:
            raise Conflict(f"Something that passes events on is called {wanted.name} already.")
        registry_id = await _registry_id(session, wanted.registry)
        await forwards.add(session, wanted, registry_id, sealed, now)
        detail = {"to": host_of(wanted.url), "actions": wanted.actions, "pattern": wanted.pattern}
        await audit.add(session, actor, "forward.add", wanted.name, now, detail=detail)
        return CreatedForward(forward=await _named(session, wanted.name), secret=made)


async def set_enabled(services: Services, actor: Actor, name: str, enabled: bool) -> Forward:
    """Turns it on or off. What happens while it is off is not passed on later. Raises `NotFound`."""
    access.require(actor, Permission.EVENTS_FORWARD)
    async with services.database.write() as session:
        found = await _named(session, name)
        await forwards.set_enabled(session, found.id, enabled)
        await audit.add(session, actor, f"forward.{'resume' if enabled else 'pause'}", name, services.clock())
        return await _named(session, name)


async def remove_forward(services: Services, actor: Actor, name: str) -> None:
    """What waits to be sent is given up. Raises `NotFound`."""
    access.require(actor, Permission.EVENTS_FORWARD)
    async with services.database.write() as session:
        found = await _named(session, name)
        await forwards.remove(session, found.id)
        await audit.add(session, actor, "forward.remove", name, services.clock(), detail={"waiting": found.waiting})


async def test_forward(services: Services, actor: Actor, name: str) -> Answer:
    """Sends something harmless at once, and says what came back. Raises `NotFound`."""
    access.require(actor, Permission.EVENTS_FORWARD)
    async with services.database.read() as session:
        found = await _named(session, name)
    target = await target_of(services, found)
    if found.kind is ForwardKind.SLACK:
        body = message_body([f"KubeDash passes events on to this channel, as {found.name}."])
    else:
        body = encode_json({"delivery": f"test-{secrets.token_hex(8)}", "forward": found.name, "event": None})
    async with Hooks() as hooks:
        return await hooks.post(target.url, body, signed(services, target, body))


async def target_of(services: Services, found: Forward) -> Target:
    """Raises `NotFound` where it has gone, `Unavailable` where it was sealed with another key."""
    async with services.database.read() as session:
        sealed = await forwards.sealed(session, found.id)
    if not sealed:
        raise NotFound(f"Nothing that passes events on is called {found.name!r}.")
    return msgspec.json.decode(services.sealer.open(sealed), type=Target)


def signed(services: Services, target: Target, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows that it was us, and when."""
    if target.secret is None:
        return {}
    timestamp = int(services.clock().timestamp())
    return {
        "X-KubeDash-Timestamp": str(timestamp),
        "X-KubeDash-Signature": signature(target.secret, timestamp, body),
    }


async def _named(session: ReadSession, name: str) -> Forward:
    found = await forwards.find(session, name)
    if found is None:
        raise NotFound(f"Nothing that passes events on is called {name[:80]!r}.", hint="See the list of them.")
    return found


async def _registry_id(session: ReadSession, name: str | None) -> int | None:
    if name is None:
        return None
    found = await registries.find(session, name)
    if found is None:
        raise InvalidInput("There is no such registry.", fields={"registry": "is not one of yours"})
    return found.id
