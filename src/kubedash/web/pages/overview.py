"""The overview: which registries there are, how they do, what is new and what is wrong."""

from __future__ import annotations

import msgspec
from litestar import Response, get

from kubedash.policy.access import Permission, allows
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages.words import KIND_LABELS
from kubedash.web.rendering import HtmlRequest, page
from kubedash.workflows import browse
from kubedash.workflows.browse import Overview


class OverviewView(msgspec.Struct, frozen=True, kw_only=True):
    overview: Overview
    """Registries with their state, newest pushes, warnings and sums."""
    may_manage: bool
    """Whether to offer adding a registry."""
    kinds: dict[str, str]
    """Slug of a kind → what people call it."""


@get("/", name="overview")
async def show_overview(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """`/`: all registries at a glance."""
    view = OverviewView(
        overview=await browse.open_overview(services, actor),
        may_manage=allows(actor, Permission.REGISTRIES_MANAGE),
        kinds=KIND_LABELS,
    )
    return page(request, "overview/page.html", view, section="registries")
