"""Passing events on: receivers of webhooks and chats."""

from __future__ import annotations

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody

from kubedash.policy.lists import Keys, ListQuery, page_of
from kubedash.records import CreatedForward, Forward, ForwardKind, ForwardSettings, Page, Record
from kubedash.web.api.bodies import Body
from kubedash.web.api.lists import Cursor, Limit, Q, Sort
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import forwards

_KEYS: Final[Keys[Forward]] = {
    "name": lambda forward: forward.name,
    "created_at": lambda forward: forward.created_at,
    "waiting": lambda forward: forward.waiting,
}


class NewForward(Body, frozen=True, kw_only=True):
    """Which events go where. `url` and `secret` are write-only."""

    name: str
    url: str
    kind: ForwardKind = ForwardKind.WEBHOOK
    secret: str | None = None
    registry: str | None = None
    actions: tuple[str, ...] = ("push", "delete")
    pattern: str = ""

    def __repr__(self) -> str:
        return f"NewForward(name={self.name!r}, …)"


class ForwardChange(Body, frozen=True, kw_only=True):
    """On or off."""

    enabled: bool


class ForwardTest(Record, frozen=True, kw_only=True):
    """What came of a test."""

    taken: bool
    status: int | None
    problem: str | None


@get("/forwards", summary="List where events are passed on to")
async def list_forwards(
    services: GivenServices,
    actor: GivenActor,
    q: Q = None,
    sort: Sort = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Forward]:
    """All of them, without address and secret. Needs an administrator. Sorts: name, created_at, waiting."""
    found = await forwards.list_forwards(services, actor)
    query = ListQuery(q=q, sort=sort, limit=limit, cursor=cursor)
    return page_of(found, query, _KEYS, lambda forward: forward.name)


@post("/forwards", summary="Pass events on")
async def add_forward(services: GivenServices, actor: GivenActor, data: JSONBody[NewForward]) -> CreatedForward:
    """From the next event on. A webhook's signing secret that is made here is answered once. Needs an administrator."""
    settings = ForwardSettings(
        name=data.name,
        kind=data.kind,
        url=data.url,
        secret=data.secret,
        registry=data.registry,
        actions=data.actions,
        pattern=data.pattern,
    )
    return await forwards.add_forward(services, actor, settings)


@get("/forwards/{name:str}", summary="Show where events are passed on to")
async def show_forward(services: GivenServices, actor: GivenActor, name: FromPath[str]) -> Forward:
    """One of them, and how it does. Needs an administrator."""
    return await forwards.show_forward(services, actor, name)


@patch("/forwards/{name:str}", summary="Turn passing on on or off")
async def change_forward(
    services: GivenServices, actor: GivenActor, name: FromPath[str], data: JSONBody[ForwardChange]
) -> Forward:
    """What happens while it is off is not passed on later. Needs an administrator."""
    return await forwards.set_enabled(services, actor, name, data.enabled)


@delete("/forwards/{name:str}", summary="Pass events on no longer")
async def remove_forward(services: GivenServices, actor: GivenActor, name: FromPath[str]) -> None:
    """What waits to be sent is given up. Needs an administrator."""
    await forwards.remove_forward(services, actor, name)


@post("/forwards/{name:str}/test", summary="Send a test", status_code=200)
async def test_forward(services: GivenServices, actor: GivenActor, name: FromPath[str]) -> ForwardTest:
    """Sends something harmless and says what came back. Needs an administrator."""
    answer = await forwards.test_forward(services, actor, name)
    return ForwardTest(taken=answer.taken, status=answer.status, problem=answer.problem)
