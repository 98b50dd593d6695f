"""Deleting a tag or manifest: what would go and what stays, a name to retype, and how it ended."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import Conflict, Moved
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference
from kubedash.policy.access import Actor
from kubedash.policy.deletion import DeletionChoices
from kubedash.records import DeletionPlan, Orphan, Strategy
from kubedash.web.pages.results import lead_to_result
from kubedash.web.pages.words import KIND_LABELS, kind_label
from kubedash.web.rendering import HtmlRequest, page
from kubedash.workflows import delete_tag
from kubedash.workflows.services import Services

SECTION: Final = "registries"
STRATEGIES: Final = {
    "native_tag_delete": "The registry deletes a tag by its name, and leaves everything else alone.",
    "placeholder": "This registry cannot delete one tag. The tag is moved to an empty manifest that is made for the "
    "occasion, and that one is deleted: what the tag pointed to stays, and so do its other tags.",
    "digest_delete": "The manifest is deleted by its digest.",
    "harbor_api": "Harbor's own API deletes one tag.",
}
"""How it goes, for people."""
SHORT_CONFIRMATION: Final = 12
"""Characters of a digest that are retyped."""


class DeletionView(msgspec.Struct, frozen=True, kw_only=True):
    plan: DeletionPlan
    """What would be done; or why it cannot be."""
    name: str
    """The tag, or the digest."""
    confirmation: str
    """What is retyped."""
    kind: str
    """What people call its kind."""
    orphans: tuple[tuple[str, Orphan], ...]
    """What would be left without a use: its kind in words, and what it is."""
    how: str
    """The way it goes, in words."""
    manifest_goes: bool
    """The manifest itself is deleted, and not only a tag."""
    typed: str = ""
    """What was typed to confirm."""
    errors: dict[str, str] = {}
    """What is wrong, by field."""
    seen: Digest | None = None
    """What the tag pointed to when the plan was seen, where that is no longer so."""


async def show_deletion(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/deletion`: the plan. `?orphans=take` takes along what would be left without a use."""
    choices = DeletionChoices(take_orphans=request.query_params.get("orphans") == "take")
    plan = await delete_tag.plan(services, actor, registry, reference, choices)
    return _plan_page(request, view_of(plan, reference))


async def perform_deletion(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[Any]:
    """`POST …/-/deletion`: plans again, deletes where the name was retyped and nothing has moved, and leads on."""
    form = await request.form()
    choices = DeletionChoices(take_orphans=form.get("orphans") == "take")
    typed = str(form.get("confirm", "")).strip()
    expected = Digest.try_parse(str(form.get("expected", "")))
    if expected is None or typed != confirmation_of(reference):
        plan = await delete_tag.plan(services, actor, registry, reference, choices)
        wrong = {"confirm": f"Type {confirmation_of(reference)} to delete it."}
        view = msgspec.structs.replace(view_of(plan, reference), typed=typed[:200], errors=wrong)
        return _plan_page(request, view, 422)
    try:
        outcome = await delete_tag.execute(services, actor, registry, reference, expected, choices)
    except Conflict as error:
        plan = await delete_tag.plan(services, actor, registry, reference, choices)
        if plan.refused is None and not isinstance(error, Moved):
            raise
        seen = expected if isinstance(error, Moved) else None
        return _plan_page(request, msgspec.structs.replace(view_of(plan, reference), seen=seen), error.status)
    return lead_to_result(request, outcome, "deletion")


def confirmation_of(reference: Reference) -> str:
    """What has to be retyped: the tag, or the beginning of the digest."""
    return reference.tag or (reference.digest.encoded[:SHORT_CONFIRMATION] if reference.digest else "")


def view_of(plan: DeletionPlan, reference: Reference) -> DeletionView:
    """A plan in words. Pure."""
    return DeletionView(
        plan=plan,
        name=reference.identifier,
        confirmation=confirmation_of(reference),
        kind=(kind_label(plan.kind) or "manifest"),
        orphans=tuple((_orphan_words(orphan), orphan) for orphan in plan.orphans),
        how=STRATEGIES.get(plan.strategy, ""),
        manifest_goes=plan.strategy is Strategy.DIGEST or plan.tag is None,
    )


def _orphan_words(orphan: Orphan) -> str:
    if orphan.attached_by == "index_child":
        return f"platform {orphan.platform}" if orphan.platform else "entry of the index"
    return KIND_LABELS.get(orphan.kind, orphan.kind)


def _plan_page(request: HtmlRequest, view: DeletionView, status: int = 200) -> Response[str]:
    """A refusal is no failure of the page: it says what to change."""
    return page(request, "changes/deletion.html", view, section=SECTION, status=status)
