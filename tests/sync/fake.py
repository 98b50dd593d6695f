"""A registry of a few samples that fails on demand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import web

from demo.push import Sample, digest_of

Fault = Callable[[web.Request], web.StreamResponse | None]
_MANIFEST = re.compile(r"/v2/(.+)/manifests/([^/]+)")
_BLOB = re.compile(r"/v2/.+/blobs/(.+)")
_TAGS = re.compile(r"/v2/(.+)/tags/list")


def complaint(status: int, code: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": code.lower()}]}, status=status)


class Fake:
    """Serves `content`: repository → tag → sample. `fault` may answer instead."""

    def __init__(self, content: dict[str, dict[str, Sample]]) -> None:
        self.content = content
        self.fault: Fault = lambda request: None
        self.hanging = False
        self.page = 1000

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self.hanging:
            await asyncio.sleep(60)
        answer = self.fault(request)
        return answer if answer is not None else self._answer(request)

    def _answer(self, request: web.Request) -> web.Response:
        path = request.path
        if path == "/v2/":
            return web.json_response({}, headers={"Docker-Distribution-Api-Version": "registry/2.0"})
        if path == "/v2/_catalog":
            return self._catalog(request)
        if found := _TAGS.fullmatch(path):
            if found[1] not in self.content:
                return complaint(404, "NAME_UNKNOWN")
            return web.json_response({"name": found[1], "tags": list(self.content[found[1]]) or None})
        if found := _MANIFEST.fullmatch(path):
            return self._manifest(request, found[1], found[2])
        if found := _BLOB.fullmatch(path):
            blobs = {digest_of(blob): blob for sample in self._samples() for blob in sample.blobs}
            return web.Response(body=blobs[found[1]]) if found[1] in blobs else complaint(404, "BLOB_UNKNOWN")
        return web.Response(text="404 page not found", status=HTTPStatus.NOT_FOUND)

    def _catalog(self, request: web.Request) -> web.Response:
        names = sorted(self.content)
        start = int(request.query.get("from", "0"))
        headers = {}
        if start + self.page < len(names):
            headers["Link"] = f'</v2/_catalog?from={start + self.page}>; rel="next"'
        return web.Response(
            text=json.dumps({"repositories": names[start : start + self.page]}),
            content_type="application/json",
            headers=headers,
        )

    def _manifest(self, request: web.Request, name: str, reference: str) -> web.Response:
        tags = self.content.get(name, {})
        found = tags.get(reference) or next((s for s in self._samples() if s.digest == reference), None)
        if found is None:
            return complaint(404, "MANIFEST_UNKNOWN")
        headers = {"Docker-Content-Digest": found.digest, "Content-Type": found.media_type}
        return web.Response(body=found.manifest, headers=headers)

    def _samples(self) -> list[Sample]:
        def with_children(sample: Sample) -> list[Sample]:
            return [sample, *(below for child in sample.children for below in with_children(child))]

        return [below for tags in self.content.values() for sample in tags.values() for below in with_children(sample)]


def abort(request: web.Request) -> web.Response:
    """The connection breaks."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
