"""Challenges, realms and redirects of registries that are odd or mean harm."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from demo.push import OCI_MANIFEST, make_image
from kubedash.oci.digest import Digest
from kubedash.oci.reference import RepositoryName
from kubedash.registry.errors import Denied, ServerFault, Unauthorized, Unreadable, UnsafeAddress
from tests.support.aio import run
from tests.support.registries import client_of, connection
from tests.support.scripted import Scripted, scripted

APP = RepositoryName("team/app")
IMAGE = make_image()
BASIC = "Basic " + base64.b64encode(b"ann:p:w").decode()
Answerer = Callable[[web.Request], web.Response]
LOOPBACK = ("127.0.0.0/8",)


def manifest() -> web.Response:
    return web.Response(body=IMAGE.manifest, headers={"Content-Type": OCI_MANIFEST})


def unauthorized(*challenges: str) -> web.Response:
    response = web.Response(status=401)
    for challenge in challenges:
        response.headers.add("WWW-Authenticate", challenge)
    return response


def registry(*challenges: str, token: Answerer) -> Answerer:
    """A registry whose token server lives on the same host, under /token."""

    def answer(request: web.Request) -> web.Response:
        if request.path == "/token":
            return token(request)
        good = request.headers.get("Authorization") == "Bearer good"
        return manifest() if good else unauthorized(*challenges)

    return answer


def token_of(**body: object) -> Answerer:
    return lambda _: web.json_response(body)


def tokens_asked(server: Scripted) -> list[web.Request]:
    return [request for request in server.requests if request.path == "/token"]


@pytest.mark.parametrize(
    "challenges",
    [
        ('Bearer realm="/token",service="S",scope="repository:team/app:pull"',),
        ('bearer REALM="/token", SERVICE=S',),
        ('Bearer realm="/token"', "Basic"),
        ('Negotiate, Bearer realm="/token", Basic realm="x, y"',),
        ('Basic realm="x"', 'Bearer realm="/token"'),
    ],
)
def test_one_of_several_challenges_with_a_relative_realm(challenges: tuple[str, ...]) -> None:
    """Separate or merged, any case, with and without service and scope: ours is added where missing."""

    async def check() -> None:
        async with scripted(registry(*challenges, token=token_of(access_token="good"))) as server:
            async with client_of(connection(server.url, "ann", "p:w")) as client:
                await client.get_manifest(APP, "1")
            (asked,) = tokens_asked(server)
            assert asked.query.getall("scope") == ["repository:team/app:pull"]
            assert asked.headers["Authorization"] == BASIC

    run(check())


def test_anonymous_asks_for_a_token_without_credentials() -> None:
    async def check() -> None:
        async with scripted(registry('Bearer realm="/token"', token=token_of(token="good"))) as server:
            async with client_of(server.url) as client:
                await client.get_manifest(APP, "1")
            assert "Authorization" not in tokens_asked(server)[0].headers

    run(check())


def test_basic_on_the_catalog_after_bearer_elsewhere() -> None:
    """Harbor: bearer for repositories, Basic for the catalog and for whatever carried credentials."""

    def answer(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "")
        if request.path == "/token":
            return web.json_response({"token": "good"})
        if request.path == "/v2/_catalog":
            good = sent == BASIC
            return web.json_response({"repositories": ["team/app"]}) if good else unauthorized('Basic realm="harbor"')
        if sent == "Bearer good":
            return manifest()
        return unauthorized('Basic realm="harbor"' if sent else 'Bearer realm="/token",service="harbor-registry"')

    async def check() -> None:
        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            for _ in range(2):
                await client.get_manifest(APP, "1")
                assert [page async for page in client.repositories()] == [(APP,)]
            assert len(tokens_asked(server)) == 1

    run(check())


def test_challenge_beside_a_200_is_heeded() -> None:
    """zot lets everybody in, shows them less, and says how to sign in beside a 200."""

    def answer(request: web.Request) -> web.Response:
        signed_in = request.headers.get("Authorization") == BASIC
        if request.path == "/v2/":
            return web.json_response({}, headers={"WWW-Authenticate": "basic realm=zot"})
        return web.json_response({"repositories": ["secret", "open"] if signed_in else ["open"]})

    async def check() -> None:
        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            assert [page async for page in client.repositories()] == [("secret", "open")]

    run(check())


def test_a_refused_token_is_renewed_once_and_then_denied() -> None:
    async def check() -> None:
        challenge = 'Bearer realm="/token",service="S",error="insufficient_scope"'
        async with scripted(registry(challenge, token=token_of(token="poor"))) as server:
            async with client_of(connection(server.url, "ann", "p:w")) as client:
                with pytest.raises(Denied):
                    await client.get_manifest(APP, "1")
            assert len(tokens_asked(server)) <= 2

    run(check())


def test_a_challenge_that_changes_every_time_ends() -> None:
    async def check() -> None:
        count = iter(range(1000))

        def answer(request: web.Request) -> web.Response:
            if request.path.startswith("/token"):
                return web.json_response({"token": "never good"})
            return unauthorized(f'Bearer realm="/token{next(count)}",service="S{next(count)}"')

        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            with pytest.raises(Denied):
                await client.get_manifest(APP, "1")
            assert len(server.requests) < 8

    run(check())


@pytest.mark.parametrize("status", [404, 405, 501])
def test_post_without_oauth2_falls_back_to_get(status: int) -> None:
    def token(request: web.Request) -> web.Response:
        return web.Response(status=status) if request.method == "POST" else web.json_response({"token": "good"})

    async def check() -> None:
        async with scripted(registry('Bearer realm="/token",service="S"', token=token)) as server:
            async with client_of(connection(server.url, "ann", "p:w", identity_token="t")) as client:
                await client.get_manifest(APP, "1")
            assert [request.method for request in tokens_asked(server)] == ["POST", "GET"]

    run(check())


def test_get_not_allowed_falls_back_to_the_password_grant() -> None:
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        if request.path != "/token":
            good = request.headers.get("Authorization") == "Bearer good"
            return manifest() if good else unauthorized('Bearer realm="/token",service="S"')
        bodies.append(await request.read())
        return web.json_response({"token": "good"}) if request.method == "POST" else web.Response(status=405)

    async def check() -> None:
        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            await client.get_manifest(APP, "1")
        form = parse_qs(bodies[-1].decode())
        assert form["grant_type"] == ["password"]
        assert (form["username"], form["password"]) == (["ann"], ["p:w"])
        assert form["scope"] == ["repository:team/app:pull"]
        assert form["client_id"] == ["kubedash"]

    run(check())


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{}", Unreadable), (b"<html>", Unreadable), (b'{"token":"a\\nb"}', Unreadable), (b'{"token":5}', Unreadable)],
)
def test_a_token_answer_without_a_token(body: bytes, kind: type[Exception]) -> None:
    async def check() -> None:
        handler = registry('Bearer realm="/token"', token=lambda _: web.Response(body=body))
        async with scripted(handler) as server, client_of(server.url) as client:
            with pytest.raises(kind):
                await client.get_manifest(APP, "1")

    run(check())


def test_a_token_server_that_fails() -> None:
    async def check() -> None:
        handler = registry('Bearer realm="/token"', token=lambda _: web.Response(status=500))
        async with scripted(handler) as server, client_of(server.url) as client:
            with pytest.raises(ServerFault):
                await client.get_manifest(APP, "1")

    run(check())


@pytest.mark.parametrize(
    "realm",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.2:1/token",
        "http://[::1]/token",
        "http://[::ffff:10.0.0.1]/token",
        "http://10.1.2.3/token",
        "http://0.0.0.0:1/token",
        "http://2130706433/token",
        "ftp://example.org/token",
        "file:///etc/passwd",
        "http://user:pw@example.org/",
    ],
)
def test_a_realm_that_leads_astray_is_not_followed(realm: str) -> None:
    """Private and loopback addresses, names for them, other schemes."""

    async def check() -> None:
        async with scripted(registry(f'Bearer realm="{realm}"', token=token_of(token="good"))) as server:
            async with client_of(connection(server.url, "ann", "p:w")) as client:
                with pytest.raises((UnsafeAddress, Unauthorized, Unreadable)) as caught:
                    await client.get_manifest(APP, "1")
                assert not isinstance(caught.value, Unauthorized)
            assert BASIC not in server.authorizations

    run(check())


def test_without_a_user_basic_is_not_answered() -> None:
    async def check() -> None:
        async with scripted(lambda _: unauthorized('Basic realm="x"')) as server, client_of(server.url) as client:
            with pytest.raises(Unauthorized):
                await client.get_manifest(APP, "1")
            assert len(server.requests) == 1

    run(check())


def test_a_redirect_to_another_host_goes_without_credentials() -> None:
    """As object stores are behind distribution: 307 to a signed address."""
    content = b"layer"
    digest = Digest.of(content)

    async def check() -> None:
        async with scripted(lambda _: web.Response(body=content)) as store:
            elsewhere = store.url

            def answer(request: web.Request) -> web.Response:
                if request.headers.get("Authorization") != BASIC:
                    return unauthorized("Basic")
                return web.Response(status=307, headers={"Location": f"{elsewhere}/bucket/key?X-Signature=s%2Fx"})

            async with scripted(answer) as server:
                wanted = connection(server.url, "ann", "p:w")
                async with client_of(wanted, allowed=LOOPBACK) as client:
                    assert await client.get_blob(APP, digest, limit=100) == content
                assert store.asked == ["GET /bucket/key?X-Signature=s%2Fx"]
                assert store.authorizations == [None]
                elsewhere = "http://127.0.0.2:1"
                async with client_of(wanted) as client:
                    with pytest.raises(UnsafeAddress) as caught:
                        await client.get_blob(APP, digest, limit=100)
                    assert "X-Signature" not in repr(caught.value.diagnostics())
                assert len(store.requests) == 1

    run(check())


def test_credentials_do_not_come_back_after_a_detour() -> None:
    async def check() -> None:
        targets: list[str] = []

        def detour(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": targets[0]})

        def answer(request: web.Request) -> web.Response:
            if request.path == "/stolen":
                return web.Response(body=b"x")
            if request.headers.get("Authorization") != BASIC:
                return unauthorized("Basic")
            return web.Response(status=302, headers={"Location": other.url})

        async with scripted(detour) as other, scripted(answer) as server:
            targets.append(f"{server.url}/stolen")
            async with client_of(connection(server.url, "ann", "p:w"), allowed=LOOPBACK) as client:
                assert await client.get_blob(APP, Digest.of(b"x"), limit=10) == b"x"
            assert server.requests[-1].path == "/stolen"
            assert server.authorizations[-1] is None

    run(check())


def test_a_redirect_on_the_same_origin_keeps_credentials() -> None:
    def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != BASIC:
            return unauthorized("Basic")
        if request.path == "/moved":
            return manifest()
        return web.Response(status=308, headers={"Location": "/moved"})

    async def check() -> None:
        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            assert (await client.get_manifest(APP, "1")).digest == IMAGE.digest

    run(check())


def test_a_challenge_from_elsewhere_is_not_answered() -> None:
    """Such as when http redirects to https: the right address is told, and nothing secret is sent there."""

    async def check() -> None:
        async with scripted(lambda _: unauthorized("Basic", 'Bearer realm="/token"')) as other:

            def answer(request: web.Request) -> web.Response:
                return web.Response(status=301, headers={"Location": f"{other.url}{request.path}"})

            async with scripted(answer) as server:
                async with client_of(connection(server.url, "ann", "p:w"), allowed=LOOPBACK) as client:
                    with pytest.raises(Unauthorized) as caught:
                        await client.ping()
                assert other.url in (caught.value.hint or "")
            assert set(other.authorizations) == {None}
            assert not tokens_asked(other)

    run(check())


@pytest.mark.parametrize("status", [404, 500])
def test_a_broken_catalog_says_nothing_about_credentials(status: int) -> None:
    def answer(request: web.Request) -> web.Response:
        return web.json_response({}) if request.path == "/v2/" else web.Response(status=status)

    async def check() -> None:
        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            assert (await client.ping()).authenticated is None

    run(check())


def test_wrong_credentials_show_where_the_front_door_is_open() -> None:
    def answer(request: web.Request) -> web.Response:
        return web.json_response({}) if request.path == "/v2/" else unauthorized("Basic")

    async def check() -> None:
        async with scripted(answer) as server, client_of(connection(server.url, "ann", "p:w")) as client:
            with pytest.raises(Unauthorized):
                await client.ping()

    run(check())


def test_redirects_in_circles_end() -> None:
    async def check() -> None:
        async with (
            scripted(lambda _: web.Response(status=302, headers={"Location": "/again"})) as server,
            client_of(server.url) as client,
        ):
            with pytest.raises(Unreadable):
                await client.get_manifest(APP, "1")
            assert len(server.requests) == 6

    run(check())


def test_a_proxy_is_used_and_told_its_password() -> None:
    def answer(request: web.Request) -> web.Response:
        return manifest()

    async def check() -> None:
        async with scripted(answer) as proxy:
            own = proxy.url.replace("http://", "http://user:p%40ss@")
            async with client_of(connection("http://registry.invalid/x", proxy=own)) as client:
                await client.get_manifest(APP, "1")
            (request,) = proxy.requests
            assert request.raw_path == "http://registry.invalid/x/v2/team/app/manifests/1"
            assert request.headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"user:p@ss").decode()

    run(check())
