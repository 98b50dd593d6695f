"""A second registry, for what goes from one to another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.registry_process import RegistryProcess


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path_factory.mktemp("target")) as process:
        yield process
