"""Bearer tokens: a real docker-registry that checks real ES256 tokens."""

from __future__ import annotations

import asyncio

import pytest

from demo.plant import Planter
from demo.push import make_image
from kubedash.oci.reference import RepositoryName
from kubedash.registry.errors import Denied, Unauthorized
from tests.support.aio import run
from tests.support.registries import TokenRegistry, client_of, connection
from tests.support.token_issuer import IDENTITY_TOKEN

TEAM = RepositoryName("team/app")
PUBLIC = RepositoryName("public/app")


@pytest.fixture(autouse=True)
def _content(token_registry: TokenRegistry) -> None:
    planter = Planter(token_registry.process.storage)
    for name in (TEAM, PUBLIC):
        planter.plant(name, "1", make_image())
    token_registry.issuer.asked.clear()


def test_password_gets_tokens_that_are_kept(token_registry: TokenRegistry) -> None:
    async def check() -> None:
        wanted = connection(token_registry.url, "ann", "a:b")
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            assert (await client.ping()).authenticated is True
            assert [page async for page in client.repositories()] == [(PUBLIC, TEAM)]
            before = len(token_registry.issuer.asked)
            for _ in range(3):
                assert await client.head_manifest(TEAM, "1") is not None
            assert len(token_registry.issuer.asked) == before + 1
            method, user, query = token_registry.issuer.asked[-1]
            assert (method, user) == ("GET", "ann")
            assert query["scope"] == ["repository:team/app:pull"]
            assert query["service"] == ["sample registry"]

    run(check())


def test_many_at_once_share_one_token(token_registry: TokenRegistry) -> None:
    async def check() -> None:
        wanted = connection(token_registry.url, "ann", "a:b")
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            await asyncio.gather(*(client.head_manifest(TEAM, "1") for _ in range(20)))
            assert len(token_registry.issuer.asked) == 1

    run(check())


def test_identity_token_is_exchanged_by_post(token_registry: TokenRegistry) -> None:
    async def check() -> None:
        wanted = connection(token_registry.url, identity_token=IDENTITY_TOKEN)
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            assert await client.head_manifest(TEAM, "1") is not None
            assert {method for method, _, _ in token_registry.issuer.asked} == {"POST"}

    run(check())


def test_wrong_password_is_unauthorized(token_registry: TokenRegistry) -> None:
    async def check() -> None:
        wanted = connection(token_registry.url, "ann", "wrong")
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            with pytest.raises(Unauthorized) as caught:
                await client.ping()
            assert "incorrect username" in (caught.value.answered or "")

    run(check())


def test_anonymous_may_read_what_is_public_only(token_registry: TokenRegistry) -> None:
    async def check() -> None:
        async with client_of(token_registry.url, allowed=token_registry.allowed) as client:
            assert await client.head_manifest(PUBLIC, "1") is not None
            with pytest.raises(Unauthorized) as caught:
                await client.get_manifest(TEAM, "1")
            assert "user name" in (caught.value.hint or "")

    run(check())


def test_a_token_without_the_rights_is_denied_without_a_loop(token_registry: TokenRegistry) -> None:
    """The token server grants less than was asked and still answers 200."""

    async def check() -> None:
        wanted = connection(token_registry.url, "ben", "b")
        async with client_of(wanted, allowed=token_registry.allowed) as client:
            assert await client.head_manifest(TEAM, "1") is not None
            before = client.requests
            with pytest.raises(Denied) as caught:
                _ = [page async for page in client.repositories()]
            assert "rights" in caught.value.message
            assert client.requests - before == 3, "challenge, token, refusal"

    run(check())


def test_a_token_server_on_the_registrys_own_host_needs_no_permission(token_registry: TokenRegistry) -> None:
    async def check() -> None:
        async with client_of(connection(token_registry.url, "ann", "a:b")) as client:
            assert (await client.ping()).api_version

    run(check())
