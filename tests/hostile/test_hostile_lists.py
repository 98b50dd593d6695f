"""Lists in pages, with every trap that registries and attackers set."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiohttp import web

from kubedash.oci.reference import RepositoryName
from kubedash.registry import paging
from kubedash.registry.errors import RegistryError, TooLarge, Unreadable, UnsafeAddress
from tests.support.aio import run
from tests.support.registries import client_of
from tests.support.scripted import Scripted, scripted

APP = RepositoryName("team/app")
Linker = Callable[[web.Request, str], str]


def pages(link: Linker, *content: list[str]) -> Callable[[web.Request], web.Response]:
    """A registry that announces page after page by `link`; the page's number is its `last`."""

    def answer(request: web.Request) -> web.Response:
        number = int(request.query.get("last", "0"))
        headers = {"Link": f'<{link(request, str(number + 1))}>; rel="next"'} if number + 1 < len(content) else {}
        return web.json_response({"tags": content[number]}, headers=headers)

    return answer


async def tags_from(server: Scripted, prefix: str = "") -> list[str]:
    async with client_of(server.url + prefix) as client:
        return [tag async for page in client.tags(APP) for tag in page]


PATH = "/v2/team/app/tags/list"


@pytest.mark.parametrize(
    "link",
    [
        lambda request, last: f"{PATH}?n=2&last={last}",
        lambda request, last: f"?last={last}",
        lambda request, last: f"list?last={last}",
        lambda request, last: f"http://{request.host}{PATH}?last={last}",
        lambda request, last: f"https://127.0.0.1:9999{PATH}?last={last}",
        lambda request, last: f"{PATH}?last={last}&opaque=ü %2F+{{}}",
    ],
    ids=["absolute path", "query", "relative", "absolute", "another scheme and port", "unescaped"],
)
def test_links_are_followed_on_the_registry_itself(link: Linker) -> None:
    async def check() -> None:
        async with scripted(pages(link, ["a", "b"], [], ["b", "c"])) as server:
            assert await tags_from(server) == ["a", "b", "c"]
            assert len(server.requests) == 3

    run(check())


def test_a_link_that_forgets_the_prefix_is_mended() -> None:
    async def check() -> None:
        async with scripted(pages(lambda _, last: f"{PATH}?last={last}", ["a"], ["b"])) as server:
            assert await tags_from(server, "/my/registry") == ["a", "b"]
            assert server.requests[1].path == f"/my/registry{PATH}"

    run(check())


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("http://169.254.169.254/latest", UnsafeAddress),
        ("//evil.example/v2/x", UnsafeAddress),
        ("/admin?last=1", UnsafeAddress),
        ("/v2/../admin?last=1", UnsafeAddress),
        ("ftp://127.0.0.1/v2/x", UnsafeAddress),
        (f"{PATH}?n=1000", Unreadable),
    ],
    ids=["metadata", "other host", "other path", "climbing", "scheme", "loop"],
)
def test_links_that_lead_away_or_round_fail_the_list(target: str, kind: type[RegistryError]) -> None:
    """An unfinished list must never look finished: what it lacks would be taken for deleted."""

    async def check() -> None:
        async with scripted(pages(lambda *_: target, ["a"], ["b"])) as server:
            with pytest.raises(kind):
                await tags_from(server)
            assert len(server.requests) == 1

    run(check())


def test_endless_pages_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_BARREN_PAGES", 5)
    monkeypatch.setattr(paging, "MAX_NAMES", 50)
    count = iter(range(10_000))

    def empty(request: web.Request) -> web.Response:
        link = f"<{PATH}?last=x{next(count)}>; rel=next"
        return web.json_response({"tags": []}, headers={"Link": link})

    def full(request: web.Request) -> web.Response:
        number = next(count)
        link = f'<{PATH}?last={number}>; rel="next"'
        return web.json_response({"tags": [f"t{number}-{n}" for n in range(20)]}, headers={"Link": link})

    async def check() -> None:
        async with scripted(empty) as server:
            with pytest.raises(Unreadable):
                await tags_from(server)
        async with scripted(full) as server:
            with pytest.raises(TooLarge):
                await tags_from(server)

    run(check())


def test_a_lower_maximum_is_accepted() -> None:
    """PAGINATION_NUMBER_INVALID: asked again without `n`, then by Link."""

    def answer(request: web.Request) -> web.Response:
        if int(request.query.get("n", "0")) > 100:
            error = {"code": "PAGINATION_NUMBER_INVALID", "message": "invalid number of results requested"}
            return web.json_response({"errors": [error]}, status=400)
        if "last" in request.query:
            return web.json_response({"repositories": ["c"]})
        link = '</v2/_catalog?last=b&n=2>; rel="next"'
        return web.json_response({"repositories": ["a", "b"]}, headers={"Link": link})

    async def check() -> None:
        async with scripted(answer) as server, client_of(server.url) as client:
            assert [page async for page in client.repositories()] == [("a", "b"), ("c",)]

    run(check())


@pytest.mark.parametrize("status", [200, 400, 404])
def test_a_full_page_without_link_is_asked_on(status: int) -> None:
    """Old registries have pages but no links; a refusal of our guess is the end, not an error."""

    def answer(request: web.Request) -> web.Response:
        if request.query.get("last") == "t999":
            return web.json_response({"tags": ["last"] if status == 200 else None}, status=status)
        return web.json_response({"tags": [f"t{number}" for number in range(1000)]})

    async def check() -> None:
        async with scripted(answer) as server:
            tags = await tags_from(server)
            assert len(tags) == 1000 + (status == 200)
            assert len(server.requests) == 2

    run(check())


@pytest.mark.parametrize("body", ['{"tags":null}', "{}", '{"tags":[]}', '{"name":"team/app"}'])
def test_no_tags(body: str) -> None:
    async def check() -> None:
        async with scripted(lambda _: web.Response(text=body)) as server:
            assert await tags_from(server) == []

    run(check())


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"tags":5}', b'{"tags":{"a":1}}', b"[" * 10_000, b'{"tags":["\xff"]}', b"\xff"]
)
def test_lists_that_are_none(body: bytes) -> None:
    async def check() -> None:
        async with scripted(lambda _: web.Response(body=body)) as server:
            with pytest.raises(Unreadable):
                await tags_from(server)

    run(check())


def test_names_that_are_none_are_skipped_and_counted() -> None:
    names = ["good", "../../etc/passwd", "<script>", "UPPER", "", 5, None, "a/b"]

    async def check() -> None:
        async with (
            scripted(lambda _: web.json_response({"repositories": names})) as server,
            client_of(server.url) as client,
        ):
            listing = client.repositories()
            assert [page async for page in listing] == [("good", "a/b")]
            assert listing.skipped == 4

    run(check())


def test_a_list_beyond_the_cap() -> None:
    async def check() -> None:
        async with scripted(lambda _: web.Response(body=b" " * (paging.MAX_PAGE_BYTES + 1))) as server:
            with pytest.raises(TooLarge):
                await tags_from(server)

    run(check())


@pytest.mark.parametrize("body", [b"no JSON", b'{"tags": 1}'])
def test_the_signature_of_a_redirect_is_in_no_message(body: bytes) -> None:
    async def check() -> None:
        async with scripted(lambda request: web.Response(body=body)) as elsewhere:
            target = f"{elsewhere.url}/list?X-Signature=secret"
            async with scripted(lambda request: web.Response(status=307, headers={"Location": target})) as server:
                with pytest.raises(Unreadable) as refused:
                    await tags_from(server)
                assert refused.value.asked == f"GET {elsewhere.url}/list"

    run(check())
