"""Blobs of any size: streamed between real registries and mounted inside one; faults by scripted ones."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from demo.push import push_blob
from demo.registry_process import RegistryProcess
from kubedash.errors import RegistryError
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.registry.blobs import PIECE, BlobStream, Source
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import Absent, Denied, DigestMismatch, Refused, ServerFault, Unsupported
from tests.support.aio import run
from tests.support.registries import USERS, TokenRegistry, client_of, connection
from tests.support.scripted import Scripted, scripted

APP = RepositoryName("blobs/app")
OTHER = RepositoryName("blobs/other")
TEAM = RepositoryName("team/app")
PUBLIC = RepositoryName("public/app")
LARGE = os.urandom(11 * PIECE + 17)


def held(content: bytes, *, breaks: Exception | None = None) -> Source:
    """A source that has the content at hand, or breaks after its first piece."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), PIECE):
            if breaks is not None and start:
                raise breaks
            yield content[start : start + PIECE]

    @asynccontextmanager
    async def opened() -> AsyncIterator[BlobStream]:
        yield BlobStream(len(content), pieces())

    return opened


async def read(client: RegistryClient, content: bytes) -> bytes:
    async with client.open_blob(APP, Digest.of(content)) as stream:
        return b"".join([piece async for piece in stream.pieces])


def deaf(sent: int) -> None:
    """Nobody watches."""


def test_a_large_blob_is_streamed_from_one_registry_to_another(
    open_registry: RegistryProcess, htpasswd_registry: RegistryProcess
) -> None:
    push_blob(open_registry.url, APP, LARGE)
    digest, heard = Digest.of(LARGE), []

    async def check() -> None:
        login = connection(htpasswd_registry.url, "ann", USERS["ann"])
        async with client_of(open_registry.url) as source, client_of(login) as target:
            assert await source.blob_size(APP, digest) == len(LARGE)
            assert await target.blob_size(OTHER, digest) is None
            await target.upload_blob(OTHER, digest, lambda: source.open_blob(APP, digest), heard.append)
            assert await target.get_blob(OTHER, digest, limit=len(LARGE)) == LARGE
            with pytest.raises(Absent):
                async with source.open_blob(OTHER, digest):
                    pass

    run(check())
    assert heard == sorted(heard)
    assert heard[-1] == len(LARGE)


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1])
def test_sizes_at_the_borders_of_a_piece(open_registry: RegistryProcess, size: int) -> None:
    content = os.urandom(size)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            await client.upload_blob(APP, Digest.of(content), held(content), deaf)
            assert await client.get_blob(APP, Digest.of(content), limit=size) == content

    run(check())


def test_a_blob_is_mounted_from_a_neighbour(open_registry: RegistryProcess) -> None:
    content = b"mounted " * 1000
    push_blob(open_registry.url, APP, content)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            assert await client.mount_blob(OTHER, Digest.of(content), APP) is None
            assert await client.get_blob(OTHER, Digest.of(content), limit=8000) == content

    run(check())


def test_what_cannot_be_mounted_is_uploaded_where_the_registry_says(open_registry: RegistryProcess) -> None:
    """The source has no such blob, so an upload was begun instead; it is used and not a second one."""
    content = os.urandom(1000)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            session = await client.mount_blob(OTHER, Digest.of(content), APP)
            assert session is not None
            assert "/blobs/uploads/" in session
            before = client.requests
            await client.upload_blob(OTHER, Digest.of(content), held(content), deaf, session)
            assert client.requests == before + 1
            assert await client.get_blob(OTHER, Digest.of(content), limit=1000) == content

    run(check())


def test_a_mount_has_both_repositories_in_one_token(token_registry: TokenRegistry) -> None:
    content = os.urandom(500)
    wanted = connection(token_registry.url, "ann", "a:b")

    async def check() -> None:
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            await client.upload_blob(TEAM, Digest.of(content), held(content), deaf)
            token_registry.issuer.asked.clear()
            assert await client.mount_blob(PUBLIC, Digest.of(content), TEAM) is None
            scopes = [sorted(query["scope"]) for _, _, query in token_registry.issuer.asked]
            assert scopes[-1] == ["repository:public/app:pull,push", "repository:team/app:pull"]
        reader = connection(token_registry.url, "ben", "b")
        async with client_of(reader, allowed=token_registry.allowed) as client:
            with pytest.raises(Denied):
                await client.upload_blob(PUBLIC, Digest.of(b"x"), held(b"x"), deaf)

    run(check())


class Uploads:
    """A registry that takes uploads and does what the test says."""

    def __init__(self, *, put: list[int], location: str = "/v2/blobs/app/blobs/uploads/{number}?state=a%2Fb") -> None:
        self.put = put
        self.location = location
        self.begun = 0
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(status=404)
        if request.method == "POST":
            self.begun += 1
            return web.Response(status=202, headers={"Location": self.location.format(number=self.begun)})
        if request.method == "DELETE":
            return web.Response(status=204)
        if request.method == "GET":
            return web.json_response({})
        body = b""
        try:
            async for piece in request.content.iter_any():
                body += piece
        finally:
            self.bodies.append(body)
        return web.Response(status=self.put.pop(0))


def asked(server: Scripted, method: str) -> list[str]:
    return [target for verb, _, target in (line.partition(" ") for line in server.asked) if verb == method]


@pytest.mark.parametrize("status", [404, 401, 416, 500, 503])
def test_on_a_doubt_the_upload_starts_again_from_the_beginning(status: int) -> None:
    """A session that is gone, a token that ran out, a registry that stumbled: a new session, all bytes again."""
    registry, content = Uploads(put=[status, 201]), LARGE

    async def check() -> None:
        async with scripted(registry) as server, client_of(connection(server.url, "ann", "secret")) as client:
            await client.upload_blob(APP, Digest.of(content), held(content), deaf)
            paths = [target.partition("?")[0].rpartition("/")[2] for target in asked(server, "PUT")]
            assert paths == ["1", "2"]
            assert all("state=a%2Fb&digest=sha256" in target for target in asked(server, "PUT"))

    run(check())
    assert registry.bodies[-1] == content


def test_after_some_tries_it_is_given_up() -> None:
    async def check() -> None:
        async with scripted(Uploads(put=[500, 500, 500, 201])) as server, client_of(server.url) as client:
            with pytest.raises(ServerFault):
                await client.upload_blob(APP, Digest.of(b"abc"), held(b"abc"), deaf)
            assert len(asked(server, "PUT")) == 3
            assert len(asked(server, "DELETE")) == 3

    run(check())


def test_wrong_content_never_arrives_whole() -> None:
    """The last piece is not sent, the connection is broken off and the session cancelled; no second try."""
    registry = Uploads(put=[201])

    async def check() -> None:
        async with scripted(registry) as server, client_of(server.url) as client:
            with pytest.raises(DigestMismatch) as caught:
                await client.upload_blob(APP, Digest.of(b"something else"), held(LARGE), deaf)
            assert Digest.of(LARGE) in (caught.value.answered or "")
            assert len(asked(server, "PUT")) == 1
            assert asked(server, "DELETE") == ["/v2/blobs/app/blobs/uploads/1?state=a%2Fb"]

    run(check())
    assert all(len(body) < len(LARGE) for body in registry.bodies)


def test_a_source_that_breaks_is_named_as_the_source() -> None:
    async def check() -> None:
        async with scripted(Uploads(put=[201])) as server, client_of(server.url) as client:
            with pytest.raises(Unsupported) as caught:
                await client.upload_blob(
                    APP, Digest.of(LARGE), held(LARGE, breaks=Unsupported("the source's own words")), deaf
                )
            assert caught.value.message == "the source's own words"

    run(check())


def test_a_blob_cut_short_by_its_registry_is_no_blob() -> None:
    """The source promises more bytes than it sends; the target never sees a whole blob."""
    uploads = Uploads(put=[201, 201, 201])

    async def cut(request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(LARGE))})
        answer = web.StreamResponse(headers={"Content-Length": str(len(LARGE))})
        await answer.prepare(request)
        await answer.write(LARGE[: len(LARGE) // 2])
        assert request.transport is not None
        request.transport.close()
        return answer

    async def check() -> None:
        async with (
            scripted(cut) as origin,
            scripted(uploads) as server,
            client_of(origin.url) as source,
            client_of(server.url) as target,
        ):
            digest = Digest.of(LARGE)
            with pytest.raises(RegistryError) as caught:
                await target.upload_blob(APP, digest, lambda: source.open_blob(APP, digest), deaf)
            assert caught.value.asked is not None
            assert origin.url in caught.value.asked

    run(check())
    assert all(len(body) < len(LARGE) for body in uploads.bodies)


def test_an_upload_elsewhere_gets_no_password() -> None:
    seen: list[tuple[str, str | None]] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        await request.read()
        seen.append((request.method, request.headers.get("Authorization")))
        return web.Response(status=201)

    async def check() -> None:
        async with scripted(elsewhere) as other:
            registry = Uploads(put=[], location=f"{other.url}/up")
            async with scripted(registry) as server:
                login = connection(server.url, "ann", "secret")
                async with client_of(login, allowed=("127.0.0.1",)) as client:
                    await client.upload_blob(APP, Digest.of(b"abc"), held(b"abc"), deaf)

    run(check())
    assert seen == [("PUT", None)]


def test_a_stored_redirect_gets_no_password() -> None:
    """Object stores: the blob's bytes come from another host, by an address made for GET alone."""
    content, seen = b"from a bucket", []

    async def bucket(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.headers.get("Authorization")))
        return web.Response(body=content)

    async def check() -> None:
        async with scripted(bucket) as store:

            def registry(request: web.Request) -> web.Response:
                if request.path == "/v2/":
                    return web.json_response({})
                return web.Response(status=307, headers={"Location": f"{store.url}/object?signature=x"})

            async with scripted(registry) as server:
                login = connection(server.url, "ann", "secret")
                async with client_of(login, allowed=("127.0.0.1",)) as client:
                    assert await read(client, content) == content

    run(check())
    assert seen == [("HEAD", None), ("GET", None)]


def test_a_digest_that_cannot_be_verified_is_not_uploaded() -> None:
    async def check() -> None:
        async with scripted(Uploads(put=[])) as server, client_of(server.url) as client:
            with pytest.raises(Unsupported):
                await client.upload_blob(APP, Digest.parse("blake3:" + "0" * 64), held(b""), deaf)
            assert server.asked == []

    run(check())


@pytest.mark.parametrize(("status", "headers"), [(404, {}), (403, {}), (202, {}), (405, {})])
def test_a_mount_that_is_refused_leaves_a_plain_upload(status: int, headers: dict[str, Any]) -> None:
    async def check() -> None:
        refusal = web.Response(status=status, headers=headers)
        async with scripted(lambda request: refusal) as server, client_of(server.url) as client:
            assert await client.mount_blob(OTHER, Digest.of(b"x"), APP) == ""

    run(check())


def test_a_refused_source_of_a_location_is_an_error() -> None:
    async def check() -> None:
        async with scripted(Uploads(put=[400, 400, 400])) as server, client_of(server.url) as client:
            with pytest.raises(Refused):
                await client.upload_blob(APP, Digest.of(b"x"), held(b"x"), deaf)

    run(check())
