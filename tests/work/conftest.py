"""A second registry, for what goes from one to another, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.registry_process import RegistryProcess
from tests.support.databases import postgres_database, postgres_server  # noqa: F401 (fixtures)


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path_factory.mktemp("target")) as process:
        yield process
