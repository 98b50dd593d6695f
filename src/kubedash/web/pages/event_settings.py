"""A registry's webhook: the block for its configuration, its secret, and what came so far."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from kubedash.policy.access import Actor
from kubedash.policy.notification_block import block_to_complete, notification_block
from kubedash.records import Webhook
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages.event_address import webhook_address
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import event_secrets
from kubedash.workflows.services import Services

VIEW = "settings/events"


class WebhookView(msgspec.Struct, frozen=True, kw_only=True):
    webhook: Webhook
    """Where the registry posts, and what came of it."""
    block: str
    """What its configuration needs; with the secret where one was just made."""
    url: str
    """Where it posts, by the name under which this page was asked for."""
    made: bool
    """A secret was just made: the block is shown this once."""


@get("/r/{registry:str}/-/settings/events", name="registry-webhook")
async def show_webhook(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str]:
    """`/r/{registry}/-/settings/events`: how it tells us of events, and since when."""
    return await _page(request, services, actor, registry)


@post("/r/{registry:str}/-/settings/events/secret", name="make-event-secret", status_code=200)
async def make_secret(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str]:
    """A new secret, shown in the answer itself: it is kept as a hash. The one before stops at once."""
    created = await event_secrets.make_secret(services, actor, registry)
    return await _page(request, services, actor, registry, created.secret)


@post("/r/{registry:str}/-/settings/events/secret/removal", name="remove-event-secret", status_code=303)
async def remove_secret(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[None]:
    """From now on events are taken without it, and marked so."""
    await event_secrets.remove_secret(services, actor, registry)
    to = urls_of(request).registry(registry, VIEW)
    return redirect(request, to, notice="The secret is removed: events are taken without it, and marked so.")


async def _page(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, secret: str | None = None
) -> Response[str]:
    webhook = await event_secrets.show_webhook(services, actor, registry)
    url = webhook_address(request, webhook.registry)
    block = block_to_complete(url, webhook) if secret is None else notification_block(url, secret)
    view = WebhookView(webhook=webhook, block=block, url=url, made=secret is not None)
    return page(request, "registries/webhook.html", view, section="registries")
