"""Answers no honest registry gives: each ends in a typed error, within limits."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from demo.push import OCI_MANIFEST, make_image
from kubedash.errors import RegistryError
from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistryStatus
from kubedash.registry import retries
from kubedash.registry.client import MAX_MANIFEST_BYTES
from kubedash.registry.errors import (
    NotARegistry,
    RateLimited,
    ServerFault,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unreachable,
    status_of,
)
from kubedash.registry.retries import Patience
from tests.support.aio import run
from tests.support.registries import client_of
from tests.support.scripted import raw_server, scripted

APP = RepositoryName("team/app")
IMAGE = make_image()
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def ping_fails(url: str, kind: type[RegistryError], *, timeout: float = 5) -> RegistryError:
    async with client_of(url, timeout=timeout) as client:
        with pytest.raises(kind) as caught:
            await client.ping()
        return caught.value


def manifest_answer(
    body: bytes = IMAGE.manifest, content_type: str | None = OCI_MANIFEST, **headers: str
) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        named["Content-Type"] = content_type
    return web.Response(body=body, headers=named)


def once(answer: web.Response) -> Callable[[web.Request], web.Response]:
    return lambda _: answer


def page(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (page("<!doctype html><title>Welcome to nginx!</title>"), NotARegistry, "Welcome to nginx!"),
        (page("<html><body>no<script>evil()</script></body>", 404), NotARegistry, "404"),
        (page("<!doctype html><p>" + 100_000 * "x"), NotARegistry, "200"),
        (web.Response(text="plain words"), NotARegistry, "plain words"),
        (web.Response(body=b'{"a":"\xff"}'), NotARegistry, "200"),
        (web.Response(text="[1,2]", content_type="application/json"), NotARegistry, "200"),
        (page("<html><h1>502 Bad Gateway</h1>", 502), ServerFault, "an HTML page: 502 Bad Gateway"),
        (web.Response(status=503), ServerFault, "503 Service Unavailable"),
        (
            web.Response(text='{"code":"UNAUTHORIZED","message":"authentication required"}', status=401),
            Unauthorized,
            "401 UNAUTHORIZED: authentication required",
        ),
    ],
)
def test_what_a_front_door_may_say(response: web.Response, kind: type[RegistryError], words: str) -> None:
    """An HTML page, another web server, a proxy's error, zot's bare error object."""

    async def check() -> None:
        async with scripted(lambda _: response) as server:
            error = await ping_fails(server.url, kind)
            assert words in (error.diagnostics().answered or "")
            assert "evil" not in (error.diagnostics().answered or "")
            assert error.diagnostics().asked == f"GET {server.url}/v2/"

    run(check())


def test_a_login_page_behind_a_redirect_is_no_registry() -> None:
    def answer(request: web.Request) -> web.Response:
        if request.path == "/login":
            return web.Response(text="<html><title>Sign in</title>", content_type="text/html")
        return web.Response(status=302, headers={"Location": "/login"})

    async def check() -> None:
        async with scripted(answer) as server:
            error = await ping_fails(server.url, NotARegistry)
            assert "Sign in" in (error.answered or "")
            assert status_of(error) is RegistryStatus.NOT_A_REGISTRY

    run(check())


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()


async def _ssh(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()
    await reader.read()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{}")
    await writer.drain()


@pytest.mark.parametrize(
    ("talk", "kind"),
    [(_silent, TimedOut), (_hang_up, Unreachable), (_ssh, NotARegistry), (_drip, TimedOut), (_short, Unreachable)],
)
def test_sockets_that_do_not_answer_properly(talk: Talk, kind: type[RegistryError]) -> None:
    """Hanging, hanging up, no HTTP at all, slow drip, fewer bytes than announced."""

    async def check() -> None:
        async with raw_server(talk) as url:
            error = await ping_fails(url, kind, timeout=0.5)
            assert error.diagnostics().hint

    run(check())


def test_a_socket_that_never_greets_us_back() -> None:
    """TLS begins, and nothing comes."""

    async def check() -> None:
        async with raw_server(_silent) as url:
            await ping_fails(url.replace("http://", "https://"), TimedOut, timeout=0.5)

    run(check())


def test_a_manifest_of_9_mib_is_refused_announced_or_not() -> None:
    body = b" " * (MAX_MANIFEST_BYTES + 1024)

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": OCI_MANIFEST})
        await response.prepare(request)
        for start in range(0, len(body), 65536):
            await response.write(body[start : start + 65536])
        return response

    async def check() -> None:
        for handler in (lambda _: manifest_answer(body), chunked):
            async with scripted(handler) as server, client_of(server.url) as client:
                with pytest.raises(TooLarge):
                    await client.get_manifest(APP, "1")

    run(check())


def test_a_compressed_bomb_is_cut() -> None:
    bomb = gzip.compress(b" " * (MAX_MANIFEST_BYTES * 4))

    async def check() -> None:
        async with (
            scripted(lambda _: manifest_answer(bomb, Content_Encoding="gzip")) as server,
            client_of(server.url) as client,
        ):
            with pytest.raises(TooLarge):
                await client.get_manifest(APP, "1")

    run(check())


def test_a_huge_error_page_is_read_in_part() -> None:
    async def check() -> None:
        async with (
            scripted(lambda _: web.Response(status=500, body=b"x" * 10_000_000)) as server,
            client_of(server.url) as client,
        ):
            with pytest.raises(ServerFault) as caught:
                await client.get_manifest(APP, "1")
            assert len(caught.value.answered or "") < 300

    run(check())


def test_rate_limit_with_a_date_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date in the past means now. Other calls that change nothing are retried likewise."""
    monkeypatch.setattr(retries, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(retries, "JITTER", 0.0)
    answers = [
        web.Response(status=429, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
        web.Response(status=503),
        manifest_answer(),
    ]

    async def check() -> None:
        async with (
            scripted(lambda _: answers.pop(0)) as server,
            client_of(server.url, patience=Patience()) as client,
        ):
            assert (await client.get_manifest(APP, "1")).digest == IMAGE.digest
            assert len(server.requests) == 3

    run(check())


def test_rate_limit_beyond_our_patience_is_told_at_once() -> None:
    async def check() -> None:
        async with (
            scripted(lambda _: web.Response(status=429, headers={"Retry-After": "3600"})) as server,
            client_of(server.url, patience=Patience()) as client,
        ):
            with pytest.raises(RateLimited) as caught:
                await client.get_manifest(APP, "1")
            assert caught.value.retry_after == 3600
            assert len(server.requests) == 1

    run(check())


def test_concurrency_shrinks_when_the_registry_suffers() -> None:
    async def check() -> None:
        async with scripted(lambda _: web.Response(status=503)) as server, client_of(server.url) as client:
            before = client.concurrency
            with pytest.raises(ServerFault):
                await client.get_manifest(APP, "1")
            assert client.concurrency < before

    run(check())
