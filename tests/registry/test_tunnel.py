"""HTTPS through a proxy: CONNECT, then TLS with the registry itself inside."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest

from kubedash.registry.errors import TlsFailed, Unreachable
from tests.support.aio import run
from tests.support.registries import TlsRegistry, client_of, connection

LOGIN = "user:p@ss"


class Tunnel:
    """A proxy that knows CONNECT alone and wants a password."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        verb, target, _ = head.split("\r\n", 1)[0].split(" ")
        self.asked.append(f"{verb} {target}")
        with closing(writer):
            if f"Basic {base64.b64encode(LOGIN.encode()).decode()}" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            host, _, port = target.rpartition(":")
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with closing(inner_writer):
                await asyncio.wait(
                    [
                        asyncio.ensure_future(_pump(reader, inner_writer)),
                        asyncio.ensure_future(_pump(inner_reader, writer)),
                    ]
                )


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@asynccontextmanager
async def tunnel() -> AsyncIterator[Tunnel]:
    made = Tunnel()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def test_a_registry_is_reached_through_a_tunnel_and_still_has_to_prove_itself(tls_registry: TlsRegistry) -> None:
    async def check() -> None:
        async with tunnel() as proxy:
            through = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
            known = connection(tls_registry.url, ca_pem=tls_registry.authority.certificate_pem, proxy=through)
            async with client_of(known) as client:
                assert (await client.ping()).api_version == "registry/2.0"
            assert proxy.asked[0] == f"CONNECT {tls_registry.url.removeprefix('https://')}"
            async with client_of(connection(tls_registry.url, proxy=through)) as client:
                with pytest.raises(TlsFailed):
                    await client.ping()

    run(check())


def test_a_proxy_that_refuses_is_named_and_its_password_is_not(tls_registry: TlsRegistry) -> None:
    async def check() -> None:
        async with tunnel() as proxy:
            through = f"http://user:wr%6Fng-secret@127.0.0.1:{proxy.port}"
            async with client_of(connection(tls_registry.url, proxy=through)) as client:
                with pytest.raises(Unreachable) as caught:
                    await client.ping()
            assert "proxy" in str(caught.value.diagnostics()).lower()
            assert "secret" not in str(caught.value.diagnostics())

    run(check())
