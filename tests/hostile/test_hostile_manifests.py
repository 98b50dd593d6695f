"""Manifests, heads and referrers that are not what they should be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from hashlib import sha256, sha512

import pytest
from aiohttp import web

from demo.push import OCI_MANIFEST, make_image
from kubedash.oci.digest import Digest
from kubedash.oci.manifest import parse_manifest
from kubedash.oci.media_types import ACCEPT_MANIFESTS, MediaType
from kubedash.oci.reference import RepositoryName
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import (
    DigestMismatch,
    Unreadable,
    Unsupported,
)
from kubedash.registry.wire import HEAVY_BYTES, MAX_HEAVY, USER_AGENT
from tests.support.aio import run
from tests.support.registries import client_of
from tests.support.scripted import scripted

APP = RepositoryName("team/app")
IMAGE = make_image()


def manifest_answer(
    body: bytes = IMAGE.manifest, content_type: str | None = OCI_MANIFEST, **headers: str
) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        named["Content-Type"] = content_type
    return web.Response(body=body, headers=named)


def test_the_whole_accept_list_and_our_name_are_sent() -> None:
    async def check() -> None:
        async with scripted(lambda _: manifest_answer()) as server, client_of(server.url) as client:
            await client.get_manifest(APP, "1")
            headers = server.requests[0].headers
            assert headers["Accept"] == ACCEPT_MANIFESTS
            assert headers["User-Agent"] == USER_AGENT
            assert "Cookie" not in headers

    run(check())


def test_cookies_are_not_kept() -> None:
    async def check() -> None:
        async with (
            scripted(lambda _: manifest_answer(Set_Cookie="sid=1; Path=/")) as server,
            client_of(server.url) as client,
        ):
            for _ in range(2):
                await client.get_manifest(APP, "1")
            assert all("Cookie" not in request.headers for request in server.requests)

    run(check())


def test_404_that_speaks_of_accept_is_not_absence() -> None:
    words = "OCI manifest found, but accept header does not support OCI manifests"
    body = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": words}]}

    async def check() -> None:
        async with scripted(lambda _: web.json_response(body, status=404)) as server, client_of(server.url) as client:
            with pytest.raises(Unsupported):
                await client.get_manifest(APP, "1")

    run(check())


def _no_digest(request: web.Request) -> web.Response:
    return manifest_answer()


def _no_head(request: web.Request) -> web.Response:
    return web.Response(status=405) if request.method == "HEAD" else manifest_answer()


def _denied_head(request: web.Request) -> web.Response:
    return web.Response(status=403) if request.method == "HEAD" else manifest_answer()


def _generic_head(request: web.Request) -> web.Response:
    return manifest_answer(content_type="text/plain", Docker_Content_Digest=IMAGE.digest)


@pytest.mark.parametrize("handler", [_no_digest, _no_head, _denied_head, _generic_head])
def test_a_head_of_no_use_is_replaced_by_get(handler: Callable[[web.Request], web.Response]) -> None:
    """Without digest, not allowed, denied, without a type; and HEAD is not tried again."""

    async def check() -> None:
        async with scripted(handler) as server, client_of(server.url) as client:
            for _ in range(2):
                head = await client.head_manifest(APP, "1")
                assert head is not None
                assert (head.digest, head.media_type) == (IMAGE.digest, OCI_MANIFEST)
                assert head.size == len(IMAGE.manifest)
            assert [request.method for request in server.requests] == ["HEAD", "GET", "GET"]

    run(check())


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (f"{OCI_MANIFEST}; charset=utf-8", IMAGE.manifest, OCI_MANIFEST),
        ("text/plain", IMAGE.manifest, OCI_MANIFEST),
        ("application/octet-stream", b'{"schemaVersion":2,"manifests":[]}', MediaType.OCI_INDEX),
        ("application/json", b'{"schemaVersion":2,"config":{},"layers":[]}', MediaType.OCI_MANIFEST),
        ("application/json", b'{"schemaVersion":1,"fsLayers":[]}', MediaType.SCHEMA1),
        ("application/json", b'{"blobs":[],"artifactType":"a/b"}', MediaType.OCI_ARTIFACT),
        ("application/json", b"no json", "application/json"),
        ("application/json", b'{"mediaType":"\xff"}', "application/json"),
        ("application/json", b"[" * 10_000, "application/json"),
    ],
)
def test_content_types_with_parameters_and_generic_ones(content_type: str, body: bytes, expected: str) -> None:
    async def check() -> None:
        async with scripted(lambda _: manifest_answer(body, content_type)) as server, client_of(server.url) as client:
            fetched = await client.get_manifest(APP, "1")
            assert fetched.media_type == expected
            assert fetched.digest == Digest.of(body)

    run(check())


def test_a_manifest_that_contradicts_its_content_type_is_distrusted() -> None:
    async def check() -> None:
        async with (
            scripted(lambda _: manifest_answer(content_type=MediaType.DOCKER_MANIFEST)) as server,
            client_of(server.url) as client,
        ):
            fetched = await client.get_manifest(APP, "1")
            assert getattr(parse_manifest(fetched.raw, fetched.media_type), "problem", None)

    run(check())


def test_sha512_is_verified_and_may_answer_for_sha256() -> None:
    long = f"sha512:{sha512(IMAGE.manifest).hexdigest()}"

    async def check() -> None:
        async with (
            scripted(lambda _: manifest_answer(Docker_Content_Digest=long)) as server,
            client_of(server.url) as client,
        ):
            assert (await client.get_manifest(APP, "1")).digest == long
            assert (await client.get_manifest(APP, long)).digest == long
            assert (await client.get_manifest(APP, IMAGE.digest)).digest == IMAGE.digest

    run(check())


def test_other_bytes_than_the_digest_names() -> None:
    other = Digest.of(b"something else")

    async def check() -> None:
        async with (
            scripted(lambda _: manifest_answer(Docker_Content_Digest=other)) as server,
            client_of(server.url) as client,
        ):
            for identifier in ("1", other):
                with pytest.raises(DigestMismatch):
                    await client.get_manifest(APP, identifier)
            with pytest.raises(DigestMismatch):
                await client.get_blob(APP, other, limit=10_000)
            with pytest.raises(Unsupported):
                await client.get_blob(APP, Digest.parse(f"blake3:{'0' * 64}"), limit=10_000)

    run(check())


def test_a_digest_header_that_is_none_is_replaced_by_our_own_sum() -> None:
    async def check() -> None:
        async with (
            scripted(lambda _: manifest_answer(Docker_Content_Digest="<script>")) as server,
            client_of(server.url) as client,
        ):
            assert (await client.get_manifest(APP, "1")).digest == f"sha256:{sha256(IMAGE.manifest).hexdigest()}"

    run(check())


REFERRER = {"mediaType": OCI_MANIFEST, "digest": IMAGE.digest, "size": 3, "artifactType": "a/b"}


def _index(entries: list[object]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": MediaType.OCI_INDEX, "manifests": entries}).encode()


@pytest.mark.parametrize(
    ("response", "known"),
    [
        (web.Response(body=_index([REFERRER]), content_type=MediaType.OCI_INDEX), True),
        (web.Response(body=_index([]), content_type=MediaType.OCI_INDEX), True),
        (web.Response(body=b"{}", content_type="application/json"), False),
        (web.Response(status=404, text="404 page not found"), False),
        (web.Response(status=400), False),
        (web.Response(status=405), False),
        (web.Response(status=406), False),
    ],
)
def test_referrers_or_word_that_there_are_none_to_ask(response: web.Response, known: bool) -> None:
    async def check() -> None:
        async with scripted(lambda _: response) as server, client_of(server.url) as client:
            found = await client.referrers(APP, Digest.of(b""))
            assert (found is not None) == known
            if found:
                assert [(item.digest, item.artifact_type) for item in found] == [(IMAGE.digest, "a/b")]

    run(check())


def test_an_index_of_referrers_that_is_none() -> None:
    async def check(client: RegistryClient) -> None:
        with pytest.raises(Unreadable):
            await client.referrers(APP, Digest.of(b""))

    async def serve() -> None:
        response = web.Response(body=b"[", content_type=MediaType.OCI_INDEX)
        async with scripted(lambda _: response) as server, client_of(server.url) as client:
            await check(client)

    run(serve())


@pytest.mark.parametrize("chunked", [False, True])
def test_many_large_bodies_all_arrive_though_few_are_read_at_once(chunked: bool) -> None:
    body = b" " * (2 * HEAVY_BYTES) + IMAGE.manifest
    digest = Digest.of(body)

    def answer(request: web.Request) -> web.Response:
        found = manifest_answer(body)
        if chunked:
            found.enable_chunked_encoding()
        return found

    async def check() -> None:
        async with scripted(answer) as server, client_of(server.url, concurrency=32) as client:
            found = await asyncio.gather(*(client.get_manifest(APP, f"t{number}") for number in range(5 * MAX_HEAVY)))
            assert {manifest.digest for manifest in found} == {digest}

    run(check())
