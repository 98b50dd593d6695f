"""Passing events on: what is wanted is put into an outbox with the mark how far we are; then it is sent.

Each receiver gets its events in the order of their arrival, each at least once, and waits
for nobody else's. One that does not answer is tried again for a day, at growing distances.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from kubedash.errors import KubedashError
from kubedash.hooks import Answer, Hooks
from kubedash.policy import forwarding
from kubedash.records import Event, Forward, ForwardKind, encode_json
from kubedash.storage import event_feed, event_rollups, events, forwards
from kubedash.storage.forwards import Waiting, Wish
from kubedash.workflows.forwards import Target, signed, target_of
from kubedash.workflows.services import Services

CURSOR: Final = "forward"
BATCH: Final = 500
LEASE: Final = timedelta(seconds=60)
SECONDS_AT_ONCE: Final = 30.0
"""For one receiver before the lease is renewed; a request may take as long as `kubedash.hooks` waits."""
AT_ONCE: Final = 20
"""Events that one receiver gets before the others are looked at again."""


class Forwarder:
    """One in each process; `owner` names it. Only one of them works at a time."""

    def __init__(self, services: Services, owner: str) -> None:
        self._services = services
        self._owner = owner

    async def step(self) -> bool:
        """Put something into the outbox, and send something; whether there may be more at once."""
        now = self._services.clock()
        async with self._services.database.read() as session:
            wishes = await forwards.wishes(session)
            position, _ = await event_rollups.position(session, CURSOR)
            newest = await events.last_id(session) if wishes else 0
        start = max(position, min((wish.after_event for wish in wishes), default=0))
        due = [wish.forward for wish in wishes if wish.forward.waiting and _is_due(wish.forward, now)]
        if (newest <= start and not due) or not await self._is_our_turn():
            return False
        more = newest > start and await self._collect(wishes, position, start)
        async with Hooks() as hooks:
            sent = await asyncio.gather(*(self._send(hooks, forward) for forward in due))
        return more or any(sent)

    async def close(self) -> None:
        """Let another process go on at once."""
        async with self._services.database.write() as session:
            await event_feed.give_turn(session, CURSOR, self._owner)

    async def _is_our_turn(self) -> bool:
        async with self._services.database.write() as session:
            return await event_feed.take_turn(session, CURSOR, self._owner, self._services.clock(), LEASE)

    async def _collect(self, wishes: Sequence[Wish], position: int, start: int) -> bool:
        """Put what is wanted of the next events into the outbox; whether there may be more."""
        # What is no pull of its own is known then.
        counted = await self._services.counting.beyond(start)
        async with self._services.database.read() as session:
            arrived, _ = await events.follow(session, start, BATCH, None, counted)
        if not arrived:
            return False
        rows = [
            (wish.forward.id, event.id, forwarding.text_of(wish.forward.kind, event))
            for event in arrived
            for wish in wishes
            if event.id > wish.after_event and _wants(wish.forward, event)
        ]
        now = self._services.clock()
        async with self._services.database.write() as session:
            if not await event_feed.is_at(session, CURSOR, position):
                return True
            await forwards.enqueue(session, rows, now)
            await event_rollups.move(session, CURSOR, arrived[-1].id, now)
            for wish in wishes:
                if wish.forward.waiting + BATCH > forwarding.MAX_WAITING:
                    await forwards.drop_beyond(session, wish.forward.id)
        return True

    async def _send(self, hooks: Hooks, forward: Forward) -> bool:
        """What waits for one receiver, as far as it goes; whether there may be more at once."""
        async with self._services.database.read() as session:
            waiting = await forwards.first(session, forward.id, AT_ONCE)
        now = self._services.clock()
        old = [one.id for one in waiting if forwarding.is_too_old(one.created_at, now)]
        if old:
            async with self._services.database.write() as session:
                await forwards.record_dropped(session, forward.id, old, "Given up: it did not answer for a day.")
            waiting = tuple(one for one in waiting if one.id not in old)
        if not waiting:
            return bool(old)
        try:
            target = await target_of(self._services, forward)
        except KubedashError as error:
            await self._failed(forward, waiting[:1], Answer(None, error.message))
            return False
        if forward.kind is ForwardKind.SLACK:
            return await self._post(hooks, forward, target, waiting[: forwarding.LINES])
        until = time.monotonic() + SECONDS_AT_ONCE
        for one in waiting:
            if time.monotonic() > until:
                break
            if not await self._post(hooks, forward, target, (one,)):
                return False
        return True

    async def _post(self, hooks: Hooks, forward: Forward, target: Target, waiting: Sequence[Waiting]) -> bool:
        """One request; whether the receiver is well."""
        body = _body(forward, waiting)
        answer = await hooks.post(target.url, body, signed(self._services, target, body))
        if not answer.taken:
            return await self._failed(forward, waiting, answer)
        async with self._services.database.write() as session:
            await forwards.record_sent(session, forward.id, [one.id for one in waiting], self._services.clock())
        return True

    async def _failed(self, forward: Forward, waiting: Sequence[Waiting], answer: Answer) -> bool:
        """Tried again later, unless the receiver keeps saying that it will never take this."""
        ids, problem = [one.id for one in waiting], answer.problem or ""
        refused = answer.status is not None and forwarding.is_refusal(answer.status)
        async with self._services.database.write() as session:
            if refused and waiting[0].tries + 1 >= forwarding.MAX_REFUSALS:
                await forwards.record_dropped(session, forward.id, ids, problem)
                return False
            pause = forwarding.pause(forward.failures + 1, answer.retry_after)
            await forwards.record_failure(session, forward.id, ids, problem, self._services.clock() + pause)
        return False


def _is_due(forward: Forward, now: datetime) -> bool:
    return forward.next_at is None or forward.next_at <= now


def _wants(forward: Forward, event: Event) -> bool:
    return forwarding.wants(forward.registry, forward.actions, forward.pattern, event)


def _body(forward: Forward, waiting: Sequence[Waiting]) -> bytes:
    if forward.kind is ForwardKind.SLACK:
        return forwarding.message_body([one.text for one in waiting])
    (one,) = waiting
    delivery = f"{forward.id}-{one.event_id}"
    return encode_json({"delivery": delivery, "forward": forward.name, "event": msgspec.Raw(one.text.encode())})
