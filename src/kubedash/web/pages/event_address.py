"""Where registries post their events, as this page's reader reaches this server."""

from __future__ import annotations

from kubedash.policy.notification_block import WEBHOOK_PATH, webhook_url
from kubedash.settings import Settings
from kubedash.web.rendering import HtmlRequest


def webhook_address(request: HtmlRequest, registry: str | None = None) -> str:
    """By the public address in the settings, else by the one this page was asked under."""
    settings: Settings = request.app.state.settings
    asked = request.url
    public = settings.public_url or f"{asked.scheme}://{asked.netloc}"
    if registry is None:
        return f"{public}{settings.base_path}{WEBHOOK_PATH}"
    return webhook_url(public, settings.base_path, registry)
