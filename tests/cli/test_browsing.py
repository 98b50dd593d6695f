"""`ls`, `inspect` and `sync`."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from litestar.testing import TestClient

from kubedash import wiring
from kubedash.cli.output import Bytes, print_table
from kubedash.settings import Settings, load
from kubedash.web.app import create_app
from kubedash.workflows.services import Services
from tests.cli.conftest import Terminal
from tests.support.small_registry import MULTI, PLATFORMS, SECRET_VALUE, SINGLE

MOVES = ("as_of", "freshness")
"""May differ between two looks at the same thing."""


def ask_api(terminal: Terminal, path: str) -> Any:
    """What the API answers on the same data folder."""

    async def without_engine(settings: Settings) -> Services:
        return await wiring.open_services(settings, engine=False)

    secret = terminal.run("token", "create", "--expires", "1").out.strip()
    settings = load({"KUBEDASH_DATA_DIR": str(terminal.folder)})
    with TestClient(create_app(settings, without_engine), base_url="http://kubedash.test") as client:
        answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200, answer.text
        return answer.json()


def still(record: Any) -> Any:
    return {key: value for key, value in record.items() if key not in MOVES}


def test_ls_lists_repositories(terminal: Terminal) -> None:
    rows = [line.split("\t") for line in terminal.run("ls", "main").lines]
    assert [row[0] for row in rows] == [SINGLE, MULTI]
    assert rows[0][1:3] == ["image", "4"]
    stored = ask_api(terminal, "/registries/main/repositories")["items"][0]["size"]
    assert rows[0][4] == str(stored)
    assert [line.split("\t")[0] for line in terminal.run("ls", "main", "-q", "multi").lines] == [MULTI]


def test_ls_lists_tags(terminal: Terminal) -> None:
    rows = [line.split("\t") for line in terminal.run("ls", f"main/{SINGLE}", "--sort", "name").lines]
    assert [row[0] for row in rows] == ["1.0", "1.10", "1.2", "latest"]
    assert rows[0][2] == "linux/amd64"
    assert rows[0][3].endswith("Z")
    assert rows[0][4].isdecimal()
    assert rows[0][5].startswith("sha256:")


def test_a_terminal_shows_sizes_as_people_read_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    print_table(("NAME", "SIZE"), [("app", Bytes(2_087_051)), ("web", Bytes.of(None))])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["NAME", "SIZE"],
        ["app", "2.1", "MB"],
        ["web", "-"],
    ]


def test_ls_goes_on_where_it_ended(terminal: Terminal) -> None:
    first = terminal.run("ls", f"main/{SINGLE}", "--limit", "3")
    cursor = first.err.split()[-1]
    second = terminal.run("ls", f"main/{SINGLE}", "--limit", "3", "--cursor", cursor)
    assert len(first.lines) == 3
    assert len(second.lines) == 1


def test_inspect_shows_an_image(terminal: Terminal) -> None:
    shown = terminal.run("inspect", f"main/{SINGLE}:1.0").out
    assert f"reference: main/{SINGLE}:1.0" in shown
    assert "entrypoint: /bin/single" in shown
    assert "  version: 1.0" in shown
    index = terminal.run("inspect", f"main/{MULTI}:2.0").out
    for platform in PLATFORMS:
        assert platform in index
    assert "attached: sha256:" in index
    assert "linux/arm64" in terminal.run("inspect", f"main/{MULTI}:2.0", "--platform", "linux/arm64").out


def test_inspect_takes_a_digest(terminal: Terminal) -> None:
    image = terminal.run("inspect", f"main/{SINGLE}:1.0", "--json").json
    again = terminal.run("inspect", f"main/{SINGLE}@{image['digest']}", "--json").json
    assert again["name"] == image["digest"]
    assert again["tags"] == ["1.0"]


def test_secret_values_are_masked(terminal: Terminal) -> None:
    assert SECRET_VALUE not in terminal.run("inspect", f"main/{SINGLE}:1.0", "--json").out
    assert SECRET_VALUE in terminal.run("inspect", f"main/{SINGLE}:1.0", "--reveal", "--json").out


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("registry", "list"), "/registries"),
        (("registry", "show", "main"), "/registries/main"),
        (("ls", "main", "--limit", "100"), "/registries/main/repositories"),
        (("ls", f"main/{SINGLE}", "--limit", "100"), f"/registries/main/tags?repository={SINGLE}"),
        (("inspect", f"main/{MULTI}:2.0"), f"/registries/main/image?repository={MULTI}&reference=2.0"),
        (
            ("diff", f"main/{SINGLE}:1.0", f"main/{SINGLE}:1.2"),
            f"/registries/main/image/diff?repository={SINGLE}&reference=1.2&with=1.0",
        ),
        (
            ("diff", f"main/{SINGLE}:1.0", f"main/{MULTI}:2.0"),
            f"/registries/main/image/diff?repository={MULTI}&reference=2.0&with=1.0&with_repository={SINGLE}",
        ),
        (("user", "list"), "/users"),
    ],
)
def test_json_is_what_the_api_answers(terminal: Terminal, words: tuple[str, ...], path: str) -> None:
    answered = ask_api(terminal, path)
    printed = terminal.run(*words, "--json").json
    assert list(printed) == list(answered)
    if path == "/users":
        for user in (*printed["items"], *answered["items"]):
            user.pop("last_seen")
    assert still(printed) == still(answered)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("ls", "nope"), 1),
        (("ls", "main/not/there"), 1),
        (("ls", "main/UPPER"), 2),
        (("ls", "main", "--sort", "colour"), 2),
        (("ls", "main", "--limit", "0"), 2),
        (("ls", "main", "--limit", "many"), 2),
        (("ls",), 2),
        (("inspect", "main"), 2),
        (("inspect", f"main/{SINGLE}:nope"), 1),
        (("inspect", f"main/{SINGLE}@sha256:abc"), 2),
        (("inspect", f"main/{MULTI}:2.0", "--platform", "plan9/mips"), 2),
        (("diff", f"main/{SINGLE}:1.0"), 2),
        (("diff", f"main/{SINGLE}:1.0", f"main/{SINGLE}:nope"), 1),
        (("diff", f"main/{SINGLE}:1.0", "main"), 2),
        (("sync", "nope"), 1),
        (("sync", "main", "UPPER"), 2),
        (("nonsense",), 2),
        (("ls", "main", "--colour"), 2),
    ],
)
def test_refusals_and_misuse_have_their_codes(terminal: Terminal, words: tuple[str, ...], code: int) -> None:
    outcome = terminal.run(*words, code=code)
    assert outcome.out == ""
    assert outcome.err


def test_diff_tells_what_differs(terminal: Terminal) -> None:
    lines = terminal.run("diff", f"main/{SINGLE}:1.0", f"main/{SINGLE}:1.10").lines
    assert lines[0].startswith(f"--- main/{SINGLE}:1.0 sha256:")
    assert "- label org.opencontainers.image.version=1.0" in lines
    assert "+ label org.opencontainers.image.version=1.10" in lines
    assert "1 layers kept" in lines[-1]
    same = terminal.run("diff", f"main/{SINGLE}:latest", f"main/{SINGLE}:1.10").lines
    assert same[-1] == "Both are the same manifest."


def test_sync_says_how_far_it_is(terminal: Terminal) -> None:
    assert "main: done" in terminal.run("sync", "main").lines[-1]
    assert f"main/{SINGLE}: done" in terminal.run("sync", "main", SINGLE).lines[-1]
    job = terminal.run("sync", "main", "--json").json
    assert (job["state"], job["registry"], job["error"]) == ("done", "main", None)
