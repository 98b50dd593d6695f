"""Pointing a tag somewhere: a new tag, a move, a roll-back, a deleted tag restored. Plan, confirmation, result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import Conflict, InvalidInput, Moved
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.policy.retagging import ABSENT
from kubedash.records import ChangeOutcome, ChangeState, RetagPlan
from kubedash.web.pages.results import lead_to_result
from kubedash.web.pages.words import kind_label
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import restore, retag
from kubedash.workflows.services import Services

SECTION: Final = "registries"
Plan = Callable[[], Awaitable[RetagPlan]]


class Deed(msgspec.Struct, frozen=True):
    """Which of the ways to point a tag somewhere this is."""

    view: str
    """What follows `/-/` in its address."""
    source: Reference
    """The image whose page it is."""
    tag: Tag
    """What is pointed."""
    digest: Digest | None = None
    """Where to, for a restoration."""


class PointingView(msgspec.Struct, frozen=True, kw_only=True):
    registry: str
    """Where it is."""
    source: Reference
    """The image whose page this is."""
    view: str
    """`tagging` or `restoration`: what follows `/-/` in its address."""
    plan: RetagPlan | None
    """What would be done, or why it cannot be; None while no tag was named."""
    verb: str
    """What the button and the heading say."""
    tag: str
    """The tag, as it was typed."""
    kind: str
    """What people call the kind of what it will lead to."""
    expected: str
    """What the tag leads to now, sent along with the confirmation."""
    typed: str = ""
    """What was typed to confirm."""
    errors: dict[str, str] = {}
    """What is wrong, by field."""
    seen: str = ""
    """What the tag led to when the plan was seen, where that is no longer so."""


async def show_tagging(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/tagging?tag=`: which tag shall lead here, too; and then what that would do."""
    typed = request.query_params.get("tag", "").strip()
    empty = _asking(registry, reference, typed)
    if not typed:
        access.require(actor, Permission.TAGS_WRITE)
        return _shown(request, empty)
    try:
        tag = Tag.parse(typed)
    except InvalidInput as error:
        access.require(actor, Permission.TAGS_WRITE)
        return _shown(request, msgspec.structs.replace(empty, errors={"tag": error.message}), error.status)
    plan = await retag.plan(services, actor, registry, reference, tag)
    return _shown(request, view_of(registry, Deed("tagging", reference, tag), plan))


async def perform_tagging(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[Any]:
    """`POST …/-/tagging`: plans again, and points the tag here where nothing has moved."""
    form = await request.form()
    expected = str(form.get("expected", ""))
    try:
        tag = Tag.parse(str(form.get("tag", "")).strip())
    except InvalidInput as error:
        view = _asking(registry, reference, str(form.get("tag", ""))[:200])
        return _shown(request, msgspec.structs.replace(view, errors={"tag": error.message}), error.status)

    async def plan() -> RetagPlan:
        return await retag.plan(services, actor, registry, reference, tag)

    async def execute() -> ChangeOutcome:
        return await retag.execute(services, actor, registry, reference, tag, expected)

    return await _perform(request, registry, Deed("tagging", reference, tag), plan, execute)


async def show_restoration(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/restoration?digest=`: what giving the tag back an earlier digest would do."""
    digest = Digest.try_parse(request.query_params.get("digest", ""))
    plan = await restore.plan(services, actor, registry, reference, digest)
    return _shown(request, view_of(registry, Deed("restoration", reference, plan.tag, plan.digest), plan))


async def perform_restoration(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[Any]:
    """`POST …/-/restoration`: puts the tag back from the bytes that are kept here."""
    form = await request.form()
    digest, expected = Digest.try_parse(str(form.get("digest", ""))), str(form.get("expected", ""))

    async def plan() -> RetagPlan:
        return await restore.plan(services, actor, registry, reference, digest)

    async def execute() -> ChangeOutcome:
        return await restore.restore_tag(services, actor, registry, reference, digest, expected)

    tag = reference.tag or Tag("latest")
    return await _perform(request, registry, Deed("restoration", reference, tag, digest), plan, execute)


async def _perform(
    request: HtmlRequest,
    registry: str,
    deed: Deed,
    plan: Plan,
    execute: Callable[[], Awaitable[ChangeOutcome]],
) -> Response[Any]:
    """A tag that leads elsewhere now is moved only where its name was retyped."""
    form = await request.form()
    expected, typed = str(form.get("expected", "")), str(form.get("confirm", "")).strip()
    if expected != ABSENT and typed != deed.tag:
        view = view_of(registry, deed, await plan())
        wrong = {"confirm": f"Type {deed.tag} to confirm."}
        return _shown(request, msgspec.structs.replace(view, typed=typed[:200], errors=wrong), 422)
    try:
        outcome = await execute()
    except Conflict as error:
        planned = await plan()
        if planned.refused is None and not isinstance(error, Moved):
            raise
        view = view_of(registry, deed, planned)
        seen = expected if isinstance(error, Moved) else ""
        return _shown(request, msgspec.structs.replace(view, seen=seen), error.status)
    if outcome.state is not ChangeState.DONE:
        return lead_to_result(request, outcome, "tagging")
    place = urls_of(request).image(registry, outcome.repository, deed.tag)
    return redirect(request, place, notice=outcome.sentence)


def view_of(registry: str, deed: Deed, plan: RetagPlan) -> PointingView:
    """A plan in words. Pure."""
    return PointingView(
        registry=registry,
        source=deed.source,
        view=deed.view,
        plan=plan,
        verb=_verb(deed.view, plan),
        tag=plan.tag,
        kind=kind_label(plan.kind) or "Manifest",
        expected=plan.old_digest or ABSENT,
    )


def _verb(view: str, plan: RetagPlan) -> str:
    if view == "restoration":
        return "Roll back" if plan.old_digest else "Restore"
    return "Move" if plan.moves else "Add"


def _asking(registry: str, source: Reference, typed: str) -> PointingView:
    return PointingView(
        registry=registry, source=source, view="tagging", plan=None, verb="Tag", tag=typed, kind="", expected=""
    )


def _shown(request: HtmlRequest, view: PointingView, status: int = 200) -> Response[str]:
    return page(request, "changes/pointing.html", view, section=SECTION, status=status)
