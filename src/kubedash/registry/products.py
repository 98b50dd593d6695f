"""Is it a registry, and whose: guesses from the front door's answer, for people alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import msgspec

from kubedash.registry.complaints import is_html, plain

API_VERSION: Final = "Docker-Distribution-Api-Version"
_BY_HOST: Final = (
    ("registry-1.docker.io", "Docker Hub"),
    (".amazonaws.com", "Amazon ECR"),
    (".azurecr.io", "Azure Container Registry"),
    ("ghcr.io", "GitHub Container Registry"),
    ("gcr.io", "Google Container Registry"),
    (".pkg.dev", "Google Artifact Registry"),
    ("quay.io", "Quay"),
)
_BY_SERVICE: Final = {"harbor-registry": "Harbor", "container_registry": "GitLab or Gitea"}
_BY_HEADER: Final = (
    ("Gitlab-Container-Registry-Version", "GitLab"),
    ("X-Jfrog-Version", "Artifactory"),
    ("X-Harbor-Csrf-Token", "Harbor"),
)


def looks_like_registry(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the answer to `GET /v2/` can be a registry's.

    The version header is optional, so JSON or an empty body will do; 404 means that there
    is no such API (distribution-spec, "Determining Support"). A refusal counts as a
    registry's when it says how to sign in.
    """
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE):
        return False
    if API_VERSION in headers or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    if status == HTTPStatus.OK:
        return not body.strip() or _is_json_object(body)
    if status < HTTPStatus.BAD_REQUEST:
        return False
    return not is_html(body) or "WWW-Authenticate" in headers


def read_date(text: str | None) -> datetime | None:
    """The `Date` header; None where there is none, or it cannot be read."""
    try:
        moment = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def guess_product(host: str, headers: Mapping[str, str], service: str | None) -> str | None:
    """A product's name, or None."""
    for ending, product in _BY_HOST:
        if host == ending or host.endswith(ending):
            return product
    for header, product in _BY_HEADER:
        if header in headers:
            return product
    if service in _BY_SERVICE:
        return _BY_SERVICE[service]
    server = plain(headers.get("Server", ""))
    return "zot" if "zot" in server.lower() else None


def _is_json_object(body: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict)
    except (ValueError, RecursionError):
        return False
