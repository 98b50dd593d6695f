"""What changes a registry, against Debian's docker-registry; what only others do, against scripted ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from demo.push import OCI_INDEX, OCI_MANIFEST, encode, make_image, make_index, push, push_image
from demo.registry_process import RegistryProcess
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName, Tag
from kubedash.registry.errors import Absent, Denied, DigestMismatch, RateLimited, Refused, ServerFault, Unsupported
from kubedash.registry.retries import Patience
from tests.support.aio import run
from tests.support.registries import TokenRegistry, client_of, connection
from tests.support.scripted import scripted

APP = RepositoryName("writing/app")
TEAM = RepositoryName("team/app")


def test_a_manifest_is_put_verbatim(open_registry: RegistryProcess) -> None:
    """An index in an unusual layout of JSON keeps its digest under another tag."""
    children = [make_image(platform=platform) for platform in ("linux/amd64", "linux/arm64")]
    push(open_registry.url, APP, "multi", make_index(children))

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            found = await client.get_manifest(APP, "multi")
            odd = found.raw.replace(b"{", b"{\n\t ", 1)
            put = await client.put_manifest(APP, "odd", odd, OCI_INDEX)
            assert put == Digest.of(odd) != found.digest
            assert await client.put_manifest(APP, "odd-too", odd, OCI_INDEX) == put
            assert (await client.get_manifest(APP, "odd-too")).raw == odd

    run(check())


def test_what_lacks_a_part_is_refused_with_the_reason(open_registry: RegistryProcess) -> None:
    image = make_image(labels={"never": "pushed"})

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            with pytest.raises(Refused) as caught:
                await client.put_manifest(APP, "lacking", image.manifest, OCI_MANIFEST)
            assert (caught.value.reply, caught.value.reply_code) == (400, "MANIFEST_BLOB_UNKNOWN")
            assert await client.head_manifest(APP, "lacking") is None

    run(check())


def test_small_blobs_are_pushed_once(open_registry: RegistryProcess) -> None:
    async def check() -> None:
        async with client_of(open_registry.url) as client:
            content = encode({"pushed": "by us"})
            assert not await client.has_blob(APP, Digest.of(content))
            assert await client.push_blob(APP, content) == Digest.of(content)
            assert await client.get_blob(APP, Digest.of(content), limit=1000) == content
            before = client.requests
            await client.push_blob(APP, content)
            assert client.requests == before + 1

    run(check())


def test_delete_goes_by_digest_and_not_by_tag(open_registry: RegistryProcess) -> None:
    """Distribution 2.8: a tag cannot be deleted by name, and a digest takes all of its tags along."""
    image = push_image(open_registry.url, APP, "one", labels={"of": "two tags"})
    push(open_registry.url, APP, "two", image)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            with pytest.raises(Refused) as caught:
                await client.delete_manifest(APP, "one")
            assert caught.value.reply_code == "DIGEST_INVALID"
            assert await client.head_manifest(APP, "one") is not None
            await client.delete_manifest(APP, image.digest)
            assert await client.head_manifest(APP, "two") is None
            with pytest.raises(Absent):
                await client.delete_manifest(APP, image.digest)

    run(check())


def test_delete_that_is_turned_off(tmp_path: Path) -> None:
    with RegistryProcess(tmp_path, delete=False) as registry:
        image = push_image(registry.url, APP, "one")

        async def check() -> None:
            async with client_of(registry.url) as client:
                with pytest.raises(Unsupported) as caught:
                    await client.delete_manifest(APP, image.digest)
                assert (caught.value.reply, caught.value.reply_code) == (405, "UNSUPPORTED")

        run(check())


def test_tokens_are_asked_for_what_is_done(token_registry: TokenRegistry) -> None:
    """Ben may read only: he is told so, and nothing changes."""
    wanted = connection(token_registry.url, "ann", "a:b")
    image = make_image(labels={"put": "with a token"})

    async def check() -> None:
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            for blob in image.blobs:
                await client.push_blob(TEAM, blob)
            digest = await client.put_manifest(TEAM, "written", image.manifest, OCI_MANIFEST)
            reader = connection(token_registry.url, "ben", "b")
            async with client_of(reader, allowed=token_registry.allowed) as other:
                with pytest.raises(Denied):
                    await other.put_manifest(TEAM, "stolen", image.manifest, OCI_MANIFEST)
                with pytest.raises(Denied):
                    await other.delete_manifest(TEAM, digest)
            assert await client.head_manifest(TEAM, "written") is not None
            await client.delete_manifest(TEAM, digest)
            assert await client.head_manifest(TEAM, "written") is None

    run(check())


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_change_is_not_repeated_on_a_doubt(status: int) -> None:
    async def check() -> None:
        async with scripted(lambda request: web.Response(status=status)) as server:
            async with client_of(server.url, patience=Patience(tries=3, seconds=30)) as client:
                with pytest.raises(ServerFault):
                    await client.delete_manifest(APP, "sha256:" + "0" * 64)
                with pytest.raises(ServerFault):
                    await client.put_manifest(APP, "1", b"{}", OCI_MANIFEST)
            assert len(server.requests) == 2

    run(check())


def test_a_change_waits_where_the_registry_asks_for_patience() -> None:
    answers = iter([429, 202])

    async def check() -> None:
        async with scripted(lambda request: web.Response(status=next(answers))) as server:
            async with client_of(server.url, patience=Patience(tries=3, seconds=30)) as client:
                await client.delete_manifest(APP, "sha256:" + "0" * 64)
            assert len(server.requests) == 2

    run(check())


def test_a_digest_that_is_not_ours_is_no_success() -> None:
    other = Digest.of(b"something else")
    answer = {"Docker-Content-Digest": other}

    async def check() -> None:
        async with (
            scripted(lambda request: web.Response(status=201, headers=answer)) as server,
            client_of(server.url) as client,
        ):
            with pytest.raises(DigestMismatch):
                await client.put_manifest(APP, "1", b"{}", OCI_MANIFEST)

    run(check())


def test_the_subject_is_told() -> None:
    subject = Digest.of(b"a subject")

    async def check() -> None:
        answer = {"OCI-Subject": subject}
        async with scripted(lambda request: web.Response(status=201, headers=answer)) as server:
            async with client_of(server.url) as client:
                told = await client.put_manifest_told(APP, "1", b"{}", OCI_MANIFEST)
            assert (told.digest, told.subject) == (Digest.of(b"{}"), subject)

    run(check())


def test_an_upload_elsewhere_gets_no_password() -> None:
    """Locations of an upload: on the registry, with a query of its own, and on another host."""
    seen: list[tuple[str, str | None]] = []

    def elsewhere(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.headers.get("Authorization")))
        return web.Response(status=201)

    async def check() -> None:
        async with scripted(elsewhere) as other:

            def registry(request: web.Request) -> web.Response:
                if request.method == "HEAD":
                    return web.Response(status=404)
                return web.Response(status=202, headers={"Location": f"{other.url}/up?state=a%2Fb"})

            async with scripted(registry) as server:
                login = connection(server.url, "ann", "secret")
                async with client_of(login, allowed=("127.0.0.1",)) as client:
                    digest = await client.push_blob(APP, b"abc")
            assert seen == [(f"/up?state=a%2Fb&digest={digest.replace(':', '%3A')}", None)]

    run(check())


def test_harbor_deletes_a_tag_by_its_own_api() -> None:
    async def check() -> None:
        async with scripted(lambda request: web.Response(status=200)) as server:
            async with client_of(connection(server.url, "ann", "secret")) as client:
                await client.delete_harbor_tag(RepositoryName("shop/web/app"), Tag("1.0"))
            path = "/api/v2.0/projects/shop/repositories/web%252Fapp/artifacts/1.0/tags/1.0"
            assert server.asked[-1] == f"DELETE {path}"
            assert server.authorizations[-1] == "Basic YW5uOnNlY3JldA=="

    run(check())


def test_too_many_requests_is_told_to_the_impatient() -> None:
    async def check() -> None:
        async with (
            scripted(lambda request: web.Response(status=429)) as server,
            client_of(server.url) as client,
        ):
            with pytest.raises(RateLimited):
                await client.delete_manifest(APP, "1")

    run(check())
