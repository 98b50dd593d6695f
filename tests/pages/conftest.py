"""One application for the pages of a test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.registry_process import RegistryProcess
from tests.support.pages import Site, open_site


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def nobody(house: Site) -> Site:
    """A browser without cookies."""
    house.client.cookies.clear()
    return house


@pytest.fixture
def admin(nobody: Site) -> Site:
    """A browser in which the administrator has signed in."""
    nobody.sign_in()
    return nobody


@pytest.fixture
def site(opened: Site) -> Site:
    """The site that a file opens for itself, as `opened`, in which the administrator has signed in."""
    opened.client.cookies.clear()
    opened.sign_in()
    return opened


@pytest.fixture
def url(open_registry: RegistryProcess) -> str:
    """The registry that everybody may change."""
    return open_registry.url
