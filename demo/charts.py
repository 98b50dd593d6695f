"""A Helm chart as `helm push` leaves it in a registry."""

from __future__ import annotations

import json
from typing import Any, Final

from demo.push import Sample, encode, make_artifact, make_layer

CONFIG_TYPE: Final = "application/vnd.cncf.helm.config.v1+json"
CONTENT_TYPE: Final = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
NAME: Final = "storefront"


def chart(version: str, app_version: str) -> Sample:
    """The chart of the storefront, with a dependency inside."""
    metadata = _metadata(version, app_version)
    annotations = {
        "org.opencontainers.image.title": NAME,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.description": metadata["description"],
        "org.opencontainers.image.url": metadata["home"],
        "org.opencontainers.image.source": metadata["sources"][0],
        "org.opencontainers.image.created": "2026-11-17T10:02:57Z",
        "org.opencontainers.image.authors": "Shop platform (shop@example.com)",
        **metadata["annotations"],
    }
    return make_artifact(
        [(CONTENT_TYPE, _archive(metadata))], config=(CONFIG_TYPE, encode(metadata)), annotations=annotations
    )


def _metadata(version: str, app_version: str) -> dict[str, Any]:
    return {
        "name": NAME,
        "home": "https://docs.example.com/shop/storefront",
        "sources": ["https://git.example.com/shop/storefront", "https://git.example.com/shop/charts"],
        "version": version,
        "description": "The shop's front, its cache and its ingress.",
        "keywords": ["shop", "web", "storefront"],
        "maintainers": [{"name": "Shop platform", "email": "shop@example.com"}],
        "icon": "https://docs.example.com/shop/storefront.svg",
        "apiVersion": "v2",
        "appVersion": app_version,
        "kubeVersion": ">=1.27.0-0",
        "type": "application",
        "annotations": {"artifacthub.io/license": "Apache-2.0", "example.com/tier": "edge"},
        "dependencies": [
            {
                "name": "cache",
                "version": "~1.4.0",
                "repository": "oci://registry.example.com/platform/charts",
                "condition": "cache.enabled",
            }
        ],
    }


def _archive(metadata: dict[str, Any]) -> bytes:
    inside = {
        "Chart.yaml": json.dumps(metadata, indent=2) + "\n",
        "values.yaml": _VALUES,
        "values.schema.json": json.dumps({"type": "object", "properties": {"replicas": {"type": "integer"}}}) + "\n",
        "README.md": _README,
        ".helmignore": "*.tmp\n",
        "templates/NOTES.txt": "The storefront answers on {{ .Values.host }}.\n",
        "templates/deployment.yaml": _DEPLOYMENT,
        "templates/_helpers.tpl": '{{- define "storefront.name" -}}storefront{{- end -}}\n',
        "charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 1.4.2\n",
        "charts/cache/values.yaml": "memory: 64Mi\n",
    }
    files: dict[str, bytes | str] = {f"{NAME}/{path}": text for path, text in inside.items()}
    return make_layer(files)


_VALUES: Final = """# How many pods answer.
replicas: 2
host: shop.example.com
image:
  repository: registry.example.com/shop/storefront
  tag: ""  # the chart's appVersion
cache:
  enabled: true
"""
_README: Final = """# storefront

Runs the shop's front.

| value | default | meaning |
| --- | --- | --- |
| `replicas` | `2` | how many pods answer |
| `host` | `shop.example.com` | name of the ingress |
| `cache.enabled` | `true` | a cache beside it |
"""
_DEPLOYMENT: Final = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "storefront.name" . }}
spec:
  replicas: {{ .Values.replicas }}
"""
