"""A chart's metadata, as the config of its manifest holds it (Chart.yaml as JSON). Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubedash.oci.annotations import is_web_address

MAX_LISTED: Final = 200


class Maintainer(msgspec.Struct, frozen=True):
    name: str
    email: str
    url: str


class Dependency(msgspec.Struct, frozen=True):
    name: str
    version: str
    repository: str
    condition: str


class Link(msgspec.Struct, frozen=True):
    text: str
    """As it was written."""
    href: str | None
    """The same, where it is a plain web address."""


class ChartView(msgspec.Struct, frozen=True, kw_only=True):
    """What helm knows of a chart; empty text and lists where the chart does not say."""

    name: str
    version: str
    app_version: str
    description: str
    type: str
    kube_version: str
    home: str
    deprecated: bool
    home_link: str | None
    sources: tuple[Link, ...]
    keywords: tuple[str, ...]
    maintainers: tuple[Maintainer, ...]
    dependencies: tuple[Dependency, ...]


def read_chart(config_json: str | None) -> ChartView | None:
    """Reads leniently: a field of the wrong type counts as missing. None where it is no JSON object."""
    try:
        document = msgspec.json.decode(config_json or "null")
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return ChartView(
        name=_text(document, "name"),
        version=_text(document, "version"),
        app_version=_text(document, "appVersion"),
        description=_text(document, "description"),
        type=_text(document, "type") or "application",
        kube_version=_text(document, "kubeVersion"),
        home=_text(document, "home"),
        home_link=_link(_text(document, "home")).href,
        deprecated=document.get("deprecated") is True,
        sources=tuple(map(_link, _texts(document, "sources"))),
        keywords=_texts(document, "keywords"),
        maintainers=tuple(
            Maintainer(_text(entry, "name"), _text(entry, "email"), _text(entry, "url"))
            for entry in _objects(document, "maintainers")
        ),
        dependencies=tuple(
            Dependency(
                _text(entry, "name"), _text(entry, "version"), _text(entry, "repository"), _text(entry, "condition")
            )
            for entry in _objects(document, "dependencies")
        ),
    )


def _link(text: str) -> Link:
    return Link(text, text if is_web_address(text) else None)


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _texts(document: dict[str, Any], key: str) -> tuple[str, ...]:
    value = document.get(key)
    return tuple(item for item in value[:MAX_LISTED] if isinstance(item, str)) if isinstance(value, list) else ()


def _objects(document: dict[str, Any], key: str) -> tuple[dict[str, Any], ...]:
    value = document.get(key)
    return tuple(item for item in value[:MAX_LISTED] if isinstance(item, dict)) if isinstance(value, list) else ()
