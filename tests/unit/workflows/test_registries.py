"""Registries are tested before they are saved, and nothing is saved that did not work."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from demo import push
from demo.registry_process import RegistryProcess
from kubedash.errors import Conflict, InvalidInput, NotAllowed, NotFound
from kubedash.policy.access import Actor
from kubedash.records import RegistrySecrets, RegistrySettings, Role
from kubedash.workflows import registries
from kubedash.workflows.registries import CheckFailed
from kubedash.workflows.services import Services
from tests.support.aio import run
from tests.support.browsing import IdleJobs
from tests.support.registries import TlsRegistry
from tests.support.scripted import scripted
from tests.support.services import ADMIN, open_house

VIEWER = Actor(name="eve", role=Role.VIEWER, via="session")
LOGIN = RegistrySecrets(password="secret")


def wanted(url: str, **more: object) -> RegistrySettings:
    return replace(RegistrySettings(name="prod", title="Production", url=url), **more)


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Services, IdleJobs]]:
    async with open_house(folder, KUBEDASH_REGISTRY_TIMEOUT="5") as services:
        jobs = IdleJobs()
        yield replace(services, jobs=jobs), jobs


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_registry_with_a_login_is_added_and_read(tmp_path: Path, htpasswd_registry: RegistryProcess) -> None:
    push.push_image(htpasswd_registry.url, "add/app", "1", ("ann", "secret"))

    async def body() -> None:
        async with house(tmp_path) as (services, jobs):
            bare = htpasswd_registry.url.removeprefix("http://")
            added = await registries.add_registry(services, ADMIN, wanted(bare, username="ann"), LOGIN)
            assert (added.name, added.url, added.has_password) == ("prod", htpasswd_registry.url, True)
            assert added.pull_host == bare
            assert jobs.asked == [("prod", None)]
            assert (await registries.stored_secrets(services, ADMIN, "prod")).password == "secret"

    run(body())


def test_a_wrong_password_saves_nothing_and_names_the_field(tmp_path: Path, htpasswd_registry: RegistryProcess) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, jobs):
            settings = wanted(htpasswd_registry.url, username="ann")
            with pytest.raises(CheckFailed) as caught:
                await registries.add_registry(services, ADMIN, settings, RegistrySecrets(password="wrong"))
            assert caught.value.fields.keys() == {"password"}
            assert caught.value.asked
            assert [step.state for step in caught.value.report.steps] == [
                "ok",
                "skipped",
                "failed",
                "skipped",
                "skipped",
            ]
            assert await registries.list_registries(services, ADMIN) == ()
            assert jobs.asked == []

    run(body())


def test_nobody_there_is_said_of_the_address(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            settings = wanted(f"127.0.0.1:{free_port()}")
            report = await registries.check_registry(services, ADMIN, settings, RegistrySecrets())
            assert not report.ok
            assert report.steps[0].state == "failed"
            assert report.steps[0].diagnostics is not None
            with pytest.raises(CheckFailed) as caught:
                await registries.add_registry(services, ADMIN, settings, RegistrySecrets())
            assert caught.value.fields.keys() == {"url"}
            saved = await registries.add_registry(services, ADMIN, settings, RegistrySecrets(), test=False)
            assert saved.url == f"https://{settings.url}"

    run(body())


def test_an_unknown_authority_is_said_of_the_certificate(tmp_path: Path, tls_registry: TlsRegistry) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            bare = tls_registry.url.removeprefix("https://")
            with pytest.raises(CheckFailed) as caught:
                await registries.add_registry(services, ADMIN, wanted(bare), RegistrySecrets())
            assert caught.value.fields.keys() == {"ca_pem"}
            trusted = wanted(bare, ca_pem=tls_registry.authority.certificate_pem)
            report = await registries.check_registry(services, ADMIN, trusted, RegistrySecrets())
            assert report.ok
            assert report.url == tls_registry.url
            unchecked = await registries.add_registry(
                services, ADMIN, wanted(bare, tls_verify=False), RegistrySecrets()
            )
            assert unchecked.url == tls_registry.url

    run(body())


def test_http_for_https_and_the_other_way_round_is_said_of_the_address(
    tmp_path: Path, tls_registry: TlsRegistry, open_registry: RegistryProcess
) -> None:
    turned = (tls_registry.url.replace("https://", "http://"), open_registry.url.replace("http://", "https://"))

    async def body() -> None:
        async with house(tmp_path) as (services, _):
            for url in turned:
                with pytest.raises(CheckFailed) as caught:
                    await registries.add_registry(services, ADMIN, wanted(url), RegistrySecrets())
                assert caught.value.fields.keys() == {"url"}

    run(body())


def test_a_bare_host_that_serves_pages_is_no_registry_and_is_asked_once_by_each_protocol(tmp_path: Path) -> None:
    front_page = web.Response(text="<!doctype html><title>Welcome</title>", content_type="text/html")

    async def body() -> None:
        async with scripted(lambda _: front_page) as server, house(tmp_path) as (services, _):
            bare = wanted(server.url.removeprefix("http://"))
            with pytest.raises(CheckFailed) as caught:
                await registries.add_registry(services, ADMIN, bare, RegistrySecrets())
            assert "no registry" in caught.value.message
            assert caught.value.asked == f"GET {server.url}/v2/"
            assert len(server.requests) == 1

    run(body())


def test_a_name_is_given_once(tmp_path: Path, open_registry: RegistryProcess) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            await registries.add_registry(services, ADMIN, wanted(open_registry.url), RegistrySecrets())
            with pytest.raises(Conflict):
                await registries.add_registry(services, ADMIN, wanted(open_registry.url), RegistrySecrets())

    run(body())


def test_editing_keeps_what_is_not_said_again(tmp_path: Path, htpasswd_registry: RegistryProcess) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            settings = wanted(
                htpasswd_registry.url, username="ann", protected_tags=("v*",), pull_host="hub.example.com"
            )
            await registries.add_registry(services, ADMIN, settings, LOGIN)
            before = await registries.settings_of(services, ADMIN, "prod")
            renamed = replace(before, name="live", title="Live")
            after = await registries.edit_registry(services, ADMIN, "prod", renamed)
            assert (after.name, after.title, after.has_password) == ("live", "Live", True)
            assert (after.protected_tags, after.pull_host) == (("v*",), "hub.example.com")
            assert (await registries.stored_secrets(services, ADMIN, "live")).password == "secret"
            with pytest.raises(NotFound):
                await registries.show_registry(services, ADMIN, "prod")

    run(body())


def test_an_edit_that_fails_its_test_changes_nothing(tmp_path: Path, htpasswd_registry: RegistryProcess) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            settings = wanted(htpasswd_registry.url, username="ann")
            await registries.add_registry(services, ADMIN, settings, LOGIN)
            with pytest.raises(CheckFailed):
                await registries.edit_registry(services, ADMIN, "prod", settings, RegistrySecrets(password="wrong"))
            assert (await registries.stored_secrets(services, ADMIN, "prod")).password == "secret"

    run(body())


def test_removing_forgets_the_registry(tmp_path: Path, open_registry: RegistryProcess) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            await registries.add_registry(services, ADMIN, wanted(open_registry.url), RegistrySecrets())
            await registries.remove_registry(services, ADMIN, "prod")
            assert await registries.list_registries(services, ADMIN) == ()
            with pytest.raises(NotFound):
                await registries.remove_registry(services, ADMIN, "prod")

    run(body())


def test_only_administrators_manage_registries(tmp_path: Path) -> None:
    async def body() -> None:
        async with house(tmp_path) as (services, _):
            settings = wanted("registry.example.com")
            for refused in (
                registries.add_registry(services, VIEWER, settings, LOGIN),
                registries.check_registry(services, VIEWER, settings, LOGIN),
                registries.remove_registry(services, VIEWER, "prod"),
                registries.stored_secrets(services, VIEWER, "prod"),
            ):
                with pytest.raises(NotAllowed):
                    await refused
            assert await registries.list_registries(services, VIEWER) == ()

    run(body())


def test_a_login_is_taken_from_a_docker_config() -> None:
    auth = base64.b64encode(b"robot:pa:ss").decode()
    raw = json.dumps({"auths": {"registry.example.com:5000": {"auth": auth}}, "credsStore": "desktop"}).encode()
    login = registries.login_of(ADMIN, raw, "https://registry.example.com:5000/")
    assert (login.username, login.secrets.password) == ("robot", "pa:ss")
    with pytest.raises(InvalidInput) as caught:
        registries.login_of(ADMIN, raw, "other.example.com")
    assert caught.value.fields.keys() == {"docker_config"}
    with pytest.raises(InvalidInput):
        registries.login_of(ADMIN, b"no json", "other.example.com")
