"""The `notifications:` block of a registry's configuration, ready to paste. Pure."""

from __future__ import annotations

from typing import Final

from kubedash.records import Webhook

WEBHOOK_PATH: Final = "/plugins/registry/events"
_BLOCK: Final = """\
notifications:
  endpoints:
    - name: kubedash
      url: {url}
{headers}      timeout: 1s
      threshold: 5
      backoff: 5s
      ignoredmediatypes:
        - application/octet-stream
"""
_HEADERS: Final = """\
      headers:
{comment}        Authorization: [Bearer {secret}]
"""
PLACEHOLDER: Final = "SECRET"
"""In the place of a secret that cannot be shown."""
_SHOWN_ONCE: Final = """\
        # The secret was shown once, when it was made, and is kept as a hash: put it here, or make a new one
        # ("Make a new secret" on this registry's page of events and their secret, or
        # POST /api/v1/registries/{registry}/webhook/secret).
"""
_FOR_ALL: Final = """\
        # The value of KUBEDASH_EVENTS_TOKEN, without which nothing is taken; or make a secret for this registry alone
        # (POST /api/v1/registries/{registry}/webhook/secret).
"""


def webhook_url(public_url: str, base_path: str, registry: str) -> str:
    """Where a registry posts its events; `public_url` is how it reaches this server."""
    return f"{public_url}{base_path}{WEBHOOK_PATH}/{registry}"


def notification_block(url: str, secret: str | None) -> str:
    """For distribution and what is made of it. Layers are left out: they are many and tell nothing."""
    return _with_headers(url, "" if secret is None else _HEADERS.format(comment="", secret=secret))


def block_to_complete(url: str, hook: Webhook) -> str:
    """The same where the secret is not at hand: its line is there to be filled in, and says from where."""
    if not hook.has_secret and not hook.token_required:
        return notification_block(url, None)
    comment = (_SHOWN_ONCE if hook.has_secret else _FOR_ALL).format(registry=hook.registry)
    return _with_headers(url, _HEADERS.format(comment=comment, secret=PLACEHOLDER))


def _with_headers(url: str, headers: str) -> str:
    return _BLOCK.format(url=url, headers=headers)
