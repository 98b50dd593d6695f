"""The client against Debian's docker-registry, as it really behaves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from demo.plant import Planter
from demo.push import DOCKER_LIST, OCI_INDEX, make_image, make_index, push, push_image
from demo.registry_process import RegistryProcess
from kubedash.oci.digest import Digest
from kubedash.oci.media_types import MediaType
from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistryStatus
from kubedash.registry.client import RegistryClient
from kubedash.registry.errors import (
    Absent,
    NotARegistry,
    TlsFailed,
    TooLarge,
    Unauthorized,
    Unreachable,
    status_of,
)
from kubedash.registry.pool import RegistryPool
from tests.support.aio import run
from tests.support.certificates import Pair, issue
from tests.support.registries import USERS, TlsRegistry, client_of, connection


async def names_of(client: RegistryClient) -> list[str]:
    return [name async for page in client.repositories() for name in page]


async def tags_of(client: RegistryClient, repository: str) -> list[str]:
    return [tag async for page in client.tags(RepositoryName(repository)) for tag in page]


def test_open_registry_lets_us_in(open_registry: RegistryProcess) -> None:
    async def check() -> None:
        async with client_of(open_registry.url) as client:
            ping = await client.ping()
            assert (ping.api_version, ping.authenticated) == ("registry/2.0", None)

    run(check())


def test_v2_at_the_end_of_the_address_is_forgiven(open_registry: RegistryProcess) -> None:
    async def check() -> None:
        async with client_of(f"{open_registry.url}/v2/") as client:
            await client.ping()

    run(check())


def test_tags_come_whole_and_once(open_registry: RegistryProcess) -> None:
    """2.8 ignores `n` and `last` and sorts nothing: a full page must neither end nor repeat for ever."""
    image = make_image()
    planter = Planter(open_registry.storage)
    for number in range(1000):
        planter.plant("real/thousand", f"v{number}", image)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            tags = await tags_of(client, "real/thousand")
            assert len(tags) == len(set(tags)) == 1000
            assert client.requests == 2

    run(check())


def test_null_tags_are_no_tags(open_registry: RegistryProcess) -> None:
    Planter(open_registry.storage).empty_repository("real/emptied")

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            assert await tags_of(client, "real/emptied") == []

    run(check())


def test_unknown_repository_is_absent(open_registry: RegistryProcess) -> None:
    async def check() -> None:
        async with client_of(open_registry.url) as client:
            with pytest.raises(Absent) as caught:
                await tags_of(client, "no/such")
            assert "NAME_UNKNOWN" in (caught.value.diagnostics().answered or "")
            assert await client.head_manifest(RepositoryName("no/such"), "latest") is None
            with pytest.raises(Absent):
                await client.get_manifest(RepositoryName("no/such"), "latest")

    run(check())


def test_catalog_of_2500_repositories_is_complete(tmp_path: Path) -> None:
    """`n` above 1,000 is refused; three pages follow each other by Link."""
    with RegistryProcess(tmp_path) as registry:
        planter, image = Planter(registry.storage), make_image()
        wanted = {f"ns{number % 9}/sub/app{number}" for number in range(2500)}
        for name in wanted:
            planter.plant(name, "1", image)

        async def check() -> None:
            async with client_of(registry.url) as client:
                names = await names_of(client)
                assert len(names) == 2500
                assert set(names) == wanted
                assert client.requests == 3

        run(check())


def test_manifest_by_tag_and_digest_with_exact_bytes(open_registry: RegistryProcess) -> None:
    image = push_image(open_registry.url, "real/app", "1.0", labels={"a": "ü"})
    repository = RepositoryName("real/app")

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            head = await client.head_manifest(repository, "1.0")
            by_tag = await client.get_manifest(repository, "1.0")
            by_digest = await client.get_manifest(repository, image.digest)
            assert by_tag == by_digest
            assert (by_tag.raw, by_tag.media_type) == (image.manifest, MediaType.OCI_MANIFEST)
            assert head is not None
            assert (head.digest, head.media_type, head.size) == (image.digest, by_tag.media_type, len(image.manifest))

    run(check())


@pytest.mark.parametrize(("docker", "media_type"), [(False, OCI_INDEX), (True, DOCKER_LIST)])
def test_an_index_is_never_downgraded_to_a_child(open_registry: RegistryProcess, docker: bool, media_type: str) -> None:
    """With a narrower Accept, 2.8 answers a Docker list with its linux/amd64 child."""
    children = [make_image(docker=docker), make_image(platform="linux/arm64", docker=docker)]
    index = make_index(children, docker=docker)
    repository = f"real/multi-{docker}".lower()
    push(open_registry.url, repository, "1", index)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            head = await client.head_manifest(RepositoryName(repository), "1")
            assert head is not None
            assert (head.digest, head.media_type) == (index.digest, media_type)
            fetched = await client.get_manifest(RepositoryName(repository), "1")
            assert (fetched.raw, fetched.media_type) == (index.manifest, media_type)

    run(check())


def test_blobs_are_capped_and_verified(open_registry: RegistryProcess) -> None:
    image = push_image(open_registry.url, "real/blobs", "1")
    config = image.blobs[0]
    digest = Digest.of(config)

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            repository = RepositoryName("real/blobs")
            assert await client.get_blob(repository, digest, limit=len(config)) == config
            with pytest.raises(TooLarge):
                await client.get_blob(repository, digest, limit=len(config) - 1)
            with pytest.raises(Absent):
                await client.get_blob(repository, Digest.of(b"never pushed"), limit=100)

    run(check())


def test_no_referrers_api_is_said_and_remembered(open_registry: RegistryProcess) -> None:
    image = push_image(open_registry.url, "real/subject", "1")

    async def check() -> None:
        async with client_of(open_registry.url) as client:
            repository, digest = RepositoryName("real/subject"), Digest(image.digest)
            assert await client.referrers(repository, digest) is None
            assert await client.referrers(repository, digest) is None
            assert client.requests == 1

    run(check())


@pytest.mark.parametrize("username", sorted(USERS))
def test_passwords_of_any_characters(htpasswd_registry: RegistryProcess, username: str) -> None:
    password = USERS[username]
    repository = f"real/of-{username}"
    push_image(htpasswd_registry.url, repository, "1", (username, password))

    async def check() -> None:
        async with client_of(connection(htpasswd_registry.url, username, password)) as client:
            assert (await client.ping()).authenticated is True
            assert repository in await names_of(client)
            before = client.requests
            assert await tags_of(client, repository) == ["1"]
            assert client.requests == before + 1, "what opened one path is sent at once to the next"

    run(check())


@pytest.mark.parametrize(("username", "password"), [("ann", "wrong"), ("nobody", "secret"), ("ann", ""), (None, None)])
def test_wrong_password_is_unauthorized(
    htpasswd_registry: RegistryProcess, username: str | None, password: str | None
) -> None:
    async def check() -> None:
        async with client_of(connection(htpasswd_registry.url, username, password)) as client:
            with pytest.raises(Unauthorized) as caught:
                await client.ping()
            assert status_of(caught.value) is RegistryStatus.UNAUTHORIZED
            shown = repr(caught.value.diagnostics())
            assert "UNAUTHORIZED" in shown
            assert "wrong" not in shown

    run(check())


def test_path_prefix(tmp_path: Path) -> None:
    """Links come with the prefix; everything stays below it."""
    with RegistryProcess(tmp_path, prefix="/deep/registry") as registry:
        planter, image = Planter(registry.storage), make_image()
        for number in range(1200):
            planter.plant(f"app{number}", "1", image)

        async def check() -> None:
            async with client_of(registry.url) as client:
                await client.ping()
                assert len(await names_of(client)) == 1200
                assert await tags_of(client, "app7") == ["1"]
            async with client_of(registry.url.removesuffix("/deep/registry")) as client:
                with pytest.raises(NotARegistry):
                    await client.ping()

        run(check())


def test_own_authority_must_be_given(tls_registry: TlsRegistry) -> None:
    async def check() -> None:
        async with client_of(tls_registry.url) as client:
            with pytest.raises(TlsFailed) as caught:
                await client.ping()
            assert status_of(caught.value) is RegistryStatus.TLS_FAILED
            assert "certificate" in (caught.value.hint or "")
        async with client_of(connection(tls_registry.url, ca_pem=tls_registry.authority.certificate_pem)) as client:
            await client.ping()
        async with client_of(connection(tls_registry.url, tls_verify=False)) as client:
            await client.ping()

    run(check())


def test_certificate_of_another_name(tmp_path: Path, authority: Pair) -> None:
    server = issue(authority, "other", "other.example")
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    certificate.write_text(server.certificate_pem)
    key.write_text(server.key_pem)
    with RegistryProcess(tmp_path, tls=(certificate, key)) as registry:

        async def check() -> None:
            async with client_of(connection(registry.url, ca_pem=authority.certificate_pem)) as client:
                with pytest.raises(TlsFailed) as caught:
                    await client.ping()
                assert "127.0.0.1" in (caught.value.answered or "")

        run(check())


def test_client_certificate(mutual_tls_registry: TlsRegistry) -> None:
    registry = mutual_tls_registry
    pem = registry.authority.certificate_pem
    own = {"client_certificate_pem": registry.client.certificate_pem, "client_key_pem": registry.client.key_pem}

    async def check() -> None:
        async with client_of(connection(registry.url, ca_pem=pem, **own)) as client:
            await client.ping()
        async with client_of(connection(registry.url, ca_pem=pem)) as client:
            with pytest.raises(TlsFailed):
                await client.ping()

    run(check())


def test_http_and_https_mixed_up(open_registry: RegistryProcess, tls_registry: TlsRegistry) -> None:
    async def check() -> None:
        for url, scheme in (
            (open_registry.url.replace("http://", "https://"), "http://"),
            (tls_registry.url.replace("https://", "http://"), "https://"),
        ):
            async with client_of(url) as client:
                with pytest.raises(TlsFailed) as caught:
                    await client.ping()
                assert scheme in (caught.value.hint or "")

    run(check())


def test_nobody_listens() -> None:
    async def check() -> None:
        async with client_of("http://127.0.0.1:1") as client:
            with pytest.raises(Unreachable) as caught:
                await client.ping()
            assert status_of(caught.value) is RegistryStatus.UNREACHABLE
            assert caught.value.diagnostics().asked == "GET http://127.0.0.1:1/v2/"

    run(check())


def test_unknown_name() -> None:
    async def check() -> None:
        async with client_of("http://registry.invalid") as client:
            with pytest.raises(Unreachable):
                await client.ping()

    run(check())


def test_the_pool_shares_and_replaces_clients(open_registry: RegistryProcess) -> None:
    async def check() -> None:
        pool = RegistryPool(concurrency=4, timeout=5)
        first = await pool.client(1, connection(open_registry.url))
        assert await pool.client(1, connection(open_registry.url)) is first
        await first.ping()
        second = await pool.client(1, connection(f"{open_registry.url}/"))
        assert second is not first
        await second.ping()
        await first.ping()
        await pool.forget(1)
        async with pool.temporary(connection(open_registry.url)) as client:
            await client.ping()
        await pool.close()

    run(check())


def test_a_restarted_registry_is_met_again(tmp_path: Path) -> None:
    """Kept connections die with it; nobody notices."""
    with RegistryProcess(tmp_path) as registry:

        async def check() -> None:
            async with client_of(registry.url) as client:
                await client.ping()
                registry.restart()
                await client.ping()

        run(check())


def test_registry_process_leaves_nothing_running(tmp_path: Path) -> None:
    with RegistryProcess(tmp_path) as registry:
        pid = registry.pid
        assert pid is not None
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()
