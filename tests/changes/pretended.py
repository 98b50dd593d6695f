"""A small registry in memory that behaves as other products do, where it comes to deleting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from demo.push import Sample, digest_of

NAME: Final = "shop/app"


def problem(status: int, code: str) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}, status=status)


@dataclass
class Pretended:
    """`headers` are on every answer; the others say what a DELETE does."""

    headers: dict[str, str] = field(default_factory=dict)
    by_tag: str = "native"
    """`native`; `greedy`: takes the siblings along; `unsupported`; `later`: says yes and does nothing."""
    while_tagged: bool = True
    """Whether a manifest is deleted while tags lead to it."""
    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Sample] = field(default_factory=dict)

    def hold(self, sample: Sample, *tags: str) -> Sample:
        for child in sample.children:
            self.hold(child)
        self.manifests[sample.digest] = sample
        self.tags.update(dict.fromkeys(tags, sample.digest))
        return sample

    async def __call__(self, request: web.Request) -> web.Response:
        answer = await self._answer(request)
        answer.headers.update(self.headers)
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path
        if path == "/v2/":
            return web.json_response({})
        if path == "/v2/_catalog":
            return web.json_response({"repositories": [NAME]})
        if path == f"/v2/{NAME}/tags/list":
            return web.json_response({"name": NAME, "tags": sorted(self.tags)})
        if path.startswith(f"/v2/{NAME}/blobs/"):
            return self._blob(path.rpartition("/")[2])
        if path.startswith("/api/v2.0/") and request.method == "DELETE":
            self.tags.pop(path.rpartition("/")[2])
            return web.Response(status=200)
        if path.startswith(f"/v2/{NAME}/manifests/"):
            return await self._manifest(request, path.rpartition("/")[2])
        return problem(404, "UNSUPPORTED")

    def _blob(self, digest: str) -> web.Response:
        blobs = {digest_of(blob): blob for sample in self.manifests.values() for blob in sample.blobs}
        return web.Response(body=blobs[digest]) if digest in blobs else problem(404, "BLOB_UNKNOWN")

    async def _manifest(self, request: web.Request, identifier: str) -> web.Response:
        if request.method == "DELETE":
            return self._delete(identifier)
        if request.method == "PUT":
            return self._put(identifier, await request.read(), request.content_type)
        sample = self.manifests.get(self.tags.get(identifier, identifier))
        if sample is None:
            return problem(404, "MANIFEST_UNKNOWN")
        told = {"Docker-Content-Digest": sample.digest}
        return web.Response(body=sample.manifest, headers=told, content_type=sample.media_type)

    def _put(self, identifier: str, raw: bytes, media_type: str) -> web.Response:
        digest = digest_of(raw)
        self.manifests.setdefault(digest, Sample(raw, media_type))
        if ":" not in identifier:
            self.tags[identifier] = digest
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})

    def _delete(self, identifier: str) -> web.Response:
        if ":" in identifier:
            return self._delete_digest(identifier)
        if self.by_tag == "unsupported":
            return problem(400, "UNSUPPORTED")
        if identifier not in self.tags:
            return problem(404, "MANIFEST_UNKNOWN")
        if self.by_tag == "greedy":
            return self._delete_digest(self.tags[identifier])
        if self.by_tag == "native":
            del self.tags[identifier]
        return web.Response(status=202)

    def _delete_digest(self, digest: str) -> web.Response:
        if digest not in self.manifests:
            return problem(404, "MANIFEST_UNKNOWN")
        if not self.while_tagged and digest in self.tags.values():
            return problem(403, "DENIED")
        del self.manifests[digest]
        self.tags = {tag: found for tag, found in self.tags.items() if found != digest}
        return web.Response(status=202)
