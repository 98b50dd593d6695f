"""How a change ended, at an address of its own: reloading it asks for nothing to be done again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference
from kubedash.policy.access import Actor
from kubedash.records import ChangeOutcome, ChangeState
from kubedash.web.addresses import query_string
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import change_results
from kubedash.workflows.delete_tag import MAX_NAMED
from kubedash.workflows.services import Services

SECTION: Final = "registries"
_MOMENT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class DeletedView(msgspec.Struct, frozen=True, kw_only=True):
    outcome: ChangeOutcome
    """What was done, as the registry showed it afterwards."""
    name: str
    """The tag, or the digest."""
    now: Digest | None = None
    """What the tag leads to now, where it is there."""
    most_named: int = MAX_NAMED
    """So many names of one kind are recorded."""


class PointedView(msgspec.Struct, frozen=True, kw_only=True):
    outcome: ChangeOutcome
    """What was done, as the registry showed it afterwards."""


async def show_deletion_result(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/deletion/result?at=`: how the deletion of that moment ended, and the way back."""
    found = await change_results.open_deletion_result(services, actor, registry, reference, _asked(request))
    view = DeletedView(outcome=found.outcome, name=reference.identifier, now=found.now)
    return page(request, "changes/deleted.html", view, section=SECTION)


async def show_pointing_result(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[Any]:
    """`…/-/tagging/result?at=`: why a tag could not be added, moved or restored; what was done is seen at the tag."""
    found = await change_results.open_pointing_result(services, actor, registry, reference, _asked(request))
    if found.outcome.state is ChangeState.DONE:
        return redirect(request, urls_of(request).image(registry, reference.repository, reference.identifier))
    return page(request, "changes/pointed.html", PointedView(outcome=found.outcome), section=SECTION)


def lead_to_result(request: HtmlRequest, outcome: ChangeOutcome, view: str) -> Response[None]:
    """From what a form did to the page that says so; `view` is `deletion` or `tagging`."""
    name = outcome.tag or outcome.old_digest or ""
    place = urls_of(request).image(outcome.registry, outcome.repository, name, f"{view}/result")
    return redirect(request, place + query_string({"at": outcome.at.astimezone(UTC).strftime(_MOMENT)}))


def _asked(request: HtmlRequest) -> datetime:
    text = request.query_params.get("at", "")
    try:
        return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)
    except ValueError as error:
        raise NotFound("This address names no change.", hint="The history of the tag may show it.") from error
