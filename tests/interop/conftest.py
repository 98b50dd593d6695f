"""Registries that take what other programs push, and a desk to run these programs at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.registries import DISTRIBUTION_2, DISTRIBUTION_3, ZOT, running
from tests.interop.seen import Seen, look
from tests.interop.tools import Desk


@dataclass(frozen=True)
class Peer:
    """A registry, and the folder in which indexes of it are made."""

    kind: str
    url: str
    folder: Path

    @property
    def host(self) -> str:
        """As references to images begin."""
        return self.url.removeprefix("http://")

    def look(self, repository: str, *, pages: bool = True) -> Seen:
        """What our crawl finds there now; the second time it brings the index of the first up to date."""
        return look(self.url, self.folder / repository.replace("/", "-"), repository, pages=pages)


@pytest.fixture(scope="session", params=(DISTRIBUTION_2, DISTRIBUTION_3, ZOT))
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Each registry in turn; it lets everybody in. Tests use repositories of their own."""
    folder = tmp_path_factory.mktemp("peer")
    with running(request.param, folder) as url:
        yield Peer(request.param, url, tmp_path_factory.mktemp("indexes"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))
