"""The application in this process, with tokens of each role and a real registry that has been read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient

from demo.registry_process import RegistryProcess
from kubedash import wiring
from kubedash.settings import Settings, load
from kubedash.web.app import create_app
from kubedash.workflows.services import Services
from tests.api.house import ADMIN_PASSWORD, House
from tests.support.small_registry import REGISTRY_PASSWORD, USER, small_registry

Ask = Callable[..., httpx.Response]


async def without_engine(settings: Settings) -> Services:
    return await wiring.open_services(settings, engine=False)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with small_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, registry: RegistryProcess) -> Iterator[House]:
    """With the registry `main` added and read; tests leave it as they found it."""
    folder: Path = tmp_path_factory.mktemp("house")
    settings = load({"KUBEDASH_DATA_DIR": str(folder), "KUBEDASH_ADMIN_PASSWORD": ADMIN_PASSWORD})
    with TestClient(create_app(settings, without_engine), base_url="http://kubedash.test") as client:
        built = House(client, folder)
        body = {"name": "main", "title": "Main", "url": registry.url, "username": USER, "password": REGISTRY_PASSWORD}
        built.ask("POST", "/registries", json=body, status=201)
        built.wait(built.ask("POST", "/registries/main/sync", status=202).json())
        yield built
