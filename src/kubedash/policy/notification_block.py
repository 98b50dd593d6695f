"""The `notifications:` block of a registry's configuration, ready to paste. Pure."""

from __future__ import annotations

from typing import Final

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
        Authorization: [Bearer {secret}]
"""


def webhook_url(public_url: str, base_path: str, registry: str) -> str:
    """Where a registry posts its events; `public_url` is how it reaches this server."""
    return f"{public_url}{base_path}{WEBHOOK_PATH}/{registry}"


def notification_block(url: str, secret: str | None) -> str:
    """For distribution and what is made of it. Layers are left out: they are many and tell nothing."""
    headers = "" if secret is None else _HEADERS.format(secret=secret)
    return _BLOCK.format(url=url, headers=headers)
