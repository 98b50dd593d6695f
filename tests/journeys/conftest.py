"""A real server on a real registry, and a real browser in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from demo import activity
from demo.registry_process import RegistryProcess
from demo.run import NAME, connect, sample_registry
from demo.server import ServerProcess
from tests.support.visitor import PASSWORD, Visitor

TAGS: Final = 240
CHROMIUM: Final = "/usr/bin/chromium"
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """KubeDash, empty, with deleting turned on; up first, as the registry is told where to post its events."""
    settings = {"DELETE_IMAGES": "true"}
    with ServerProcess(tmp_path_factory.mktemp("kubedash"), password=PASSWORD, settings=settings) as process:
        yield process


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, server: ServerProcess) -> Iterator[RegistryProcess]:
    with sample_registry(tmp_path_factory.mktemp("registry"), tags=TAGS, events_to=server.url) as process:
        yield process


@pytest.fixture(scope="session")
def house(server: ServerProcess, registry: RegistryProcess) -> ServerProcess:
    """KubeDash with the sample registry crawled, and with events of what people did there."""
    activity.act(registry)
    assert connect(server, registry) == "done", server.log.read_text()[-3000:]
    return server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while Playwright runs, no other test of this process can start an event loop."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, house: ServerProcess) -> Any:
    """The cookies of an administrator, made once."""
    context = browser.new_context()
    visitor = Visitor(house.url, context.new_page())
    visitor.sign_in()
    state = context.storage_state()
    context.close()
    assert state["cookies"], "signing in left no cookie"
    return state


@pytest.fixture
def visit(browser: Browser, house: ServerProcess, signed_in: Any) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; options are those of a browser context. `guest=True` is not signed in."""
    contexts: list[BrowserContext] = []
    visitors: list[Visitor] = []

    def make(*, guest: bool = False, **options: Any) -> Visitor:
        context = browser.new_context(storage_state=None if guest else signed_in, **options)
        contexts.append(context)
        visitors.append(Visitor(house.url, context.new_page()))
        return visitors[-1]

    yield make
    for context in contexts:
        context.close()
    for visitor in visitors:
        assert visitor.complaints == []


@pytest.fixture(scope="session")
def sample() -> str:
    """The name of the registry that is there from the start."""
    return NAME
