"""`registry`, `user`, `token` and `db`."""

from __future__ import annotations

import pytest

from demo.registry_process import RegistryProcess
from kubedash import __version__
from tests.cli.conftest import Terminal
from tests.support.small_registry import REGISTRY_PASSWORD, USER


def test_a_registry_comes_and_goes(terminal: Terminal, registry: RegistryProcess) -> None:
    secret = {"KUBEDASH_REGISTRY_PASSWORD": REGISTRY_PASSWORD}
    added = terminal.run(
        "registry",
        "add",
        "other",
        registry.url,
        "--username",
        USER,
        "--title",
        "Another one",
        "--pull-host",
        "pull.example.com",
        "--protected-tag",
        "latest",
        "--protected-tag",
        "v*",
        "--json",
        **secret,
    )
    assert REGISTRY_PASSWORD not in added.out
    assert added.json["title"] == "Another one"
    assert added.json["protected_tags"] == ["latest", "v*"]
    assert [line.split("\t")[0] for line in terminal.run("registry", "list").lines] == ["main", "other"]
    shown = terminal.run("registry", "show", "other").out
    assert "pull host: pull.example.com" in shown
    assert "password: set" in shown
    assert terminal.run("registry", "check", "other").code == 0
    assert "Removed other." in terminal.run("registry", "remove", "other").out
    terminal.run("registry", "show", "other", code=1)
    terminal.run("registry", "remove", "other", code=1)


def test_a_connection_that_fails_saves_nothing(terminal: Terminal) -> None:
    refused = terminal.run("registry", "add", "down", "http://127.0.0.1:1", code=1)
    assert "asked: GET http://127.0.0.1:1/v2/" in refused.err
    terminal.run("registry", "show", "down", code=1)
    terminal.run("registry", "add", "down", "http://127.0.0.1:1", "--no-test")
    try:
        checked = terminal.run("registry", "check", "down", code=1)
        assert checked.lines[0].startswith("failed")
        assert terminal.run("registry", "check", "down", "--json", code=1).json["ok"] is False
        assert "down" in terminal.run("sync", "down", code=1).err
    finally:
        terminal.run("registry", "remove", "down")


def test_a_wrong_password_is_a_refusal(terminal: Terminal, registry: RegistryProcess) -> None:
    words = ("registry", "add", "wrong", registry.url, "--username", USER, "--password-stdin")
    refused = terminal.run(*words, stdin="not it\n", code=1)
    assert "not it" not in refused.err
    assert "password" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("registry", "add", "UPPER", "http://x"),
        ("registry", "add", "x", "ftp://x"),
        ("registry", "add", "x"),
        ("registry", "add", "x", "http://x", "--ca-file", "/not/there.pem"),
        ("registry", "add", "x", "http://x", "--repository", "UPPER"),
        ("user", "add", "Bad Name"),
        ("user", "add", "x", "--role", "king"),
        ("token", "create", "--expires", "soon"),
        ("token", "create", "--expires", "0"),
        ("registry",),
    ],
)
def test_misuse(terminal: Terminal, words: tuple[str, ...]) -> None:
    terminal.run(*words, code=None if words == ("registry",) else 2)


def test_the_first_command_makes_the_first_user(empty: Terminal) -> None:
    first = empty.run("user", "list", "--json", KUBEDASH_ADMIN_PASSWORD="")
    assert [user["name"] for user in first.json["items"]] == ["admin"]
    assert "First start" in first.err
    assert "First start" not in empty.run("user", "list").err


def test_users_are_added(terminal: Terminal) -> None:
    made = terminal.run("user", "add", "eve", "--role", "maintainer")
    assert len(made.out.strip()) == 20
    assert "Added eve (maintainer)." in made.err
    given = terminal.run("user", "add", "frank", "--password-stdin", "--json", stdin="a fine password\n").json
    assert (given["user"]["role"], given["password"]) == ("viewer", None)
    terminal.run("user", "add", "eve", code=1)
    rows = [line.split("\t")[:2] for line in terminal.run("user", "list").lines]
    assert ["eve", "maintainer"] in rows
    assert ["frank", "viewer"] in rows


def test_a_token_is_printed_alone(terminal: Terminal) -> None:
    made = terminal.run("token", "create", "--user", "admin", "--role", "viewer", "--expires", "7")
    assert made.out.startswith("kd_")
    assert len(made.out) == 47
    assert made.err == ""
    told = terminal.run("token", "create", "--name", "ci", "--json").json
    assert told["secret"].startswith("kd_")
    assert (told["token"]["name"], told["token"]["role"]) == ("ci", "admin")
    terminal.run("token", "create", "--user", "nobody", code=1)


def test_the_database_is_upgraded_alone(empty: Terminal) -> None:
    assert empty.run("db", "upgrade").out == "The database is up to date.\n"
    assert "First start" in empty.run("user", "list", KUBEDASH_ADMIN_PASSWORD="").err


def test_help_and_version(empty: Terminal) -> None:
    shown = empty.run("--help").out
    for verb in ("serve", "worker", "db", "registry", "sync", "ls", "inspect", "user", "token"):
        assert verb in shown
    assert empty.run("--version").out.strip() == __version__
    assert not empty.folder.exists()


def test_a_setting_that_cannot_be_read_is_misuse(terminal: Terminal) -> None:
    refused = terminal.run("user", "list", code=2, KUBEDASH_SYNC_INTERVAL="often")
    assert "KUBEDASH_SYNC_INTERVAL" in refused.err
