"""config.json of docker, auth.json of podman."""

from __future__ import annotations

import base64
import json

import pytest

from kubedash.errors import InvalidInput
from kubedash.registry.docker_config import parse_docker_config


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def parse(document: object) -> dict[str, tuple[str | None, str | None]]:
    config = parse_docker_config(json.dumps(document).encode())
    return {host: (login.username, login.secrets.password) for host, login in config.entries.items()}


def test_entries_of_all_kinds() -> None:
    entries = parse(
        {
            "auths": {
                "https://Index.docker.io/v1/": {"auth": encoded("hub:p:w")},
                "registry.example:5000": {"auth": encoded("ann:a:b\0\0")},
                "http://other.example/v2/": {"username": "u", "password": "ü"},
                "unpadded.example": {"auth": encoded("a:bc").rstrip("=")},
                "empty.example": {},
                "null.example": None,
            },
            "HttpHeaders": {"X": "y"},
        }
    )
    assert entries == {
        "index.docker.io": ("hub", "p:w"),
        "registry.example:5000": ("ann", "a:b"),
        "other.example": ("u", "ü"),
        "unpadded.example": ("a", "bc"),
    }


def test_tokens() -> None:
    config = parse_docker_config(
        json.dumps(
            {
                "auths": {
                    "identity.example": {"auth": encoded("00000000:"), "identitytoken": "i"},
                    "marked.example": {"auth": encoded("<token>:hidden")},
                    "bearer.example": {"registrytoken": "r"},
                }
            }
        ).encode()
    )
    assert config.entries["identity.example"].secrets.identity_token == "i"
    assert config.entries["marked.example"].secrets.identity_token == "hidden"
    assert config.entries["marked.example"].username is None
    assert config.entries["bearer.example"].secrets.registry_token == "r"
    assert "hidden" not in repr(config)


def test_helpers_are_named_and_never_run() -> None:
    config = parse_docker_config(
        json.dumps(
            {
                "auths": {"https://index.docker.io/v1/": {}, "plain.example": {"auth": encoded("a:b")}},
                "credsStore": "desktop",
                "credHelpers": {"gcr.io": "gcloud", "plain.example": "x"},
            }
        ).encode()
    )
    assert config.needs_helper == ("gcr.io", "index.docker.io")
    assert set(config.entries) == {"plain.example"}


def test_the_longest_key_wins() -> None:
    config = parse_docker_config(
        json.dumps(
            {
                "auths": {
                    "quay.example": {"auth": encoded("all:1")},
                    "quay.example/team": {"auth": encoded("team:2")},
                    "quay.example/team/app": {"auth": encoded("app:3")},
                }
            }
        ).encode()
    )

    def user(repository: str) -> str | None:
        login = config.find("quay.example", repository)
        return login.username if login else None

    assert [user("team/app/x"), user("team/other"), user("teamwork"), user("")] == ["app", "team", "all", "all"]
    assert config.find("elsewhere.example", "team") is None


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"no", b'{"auths":5}', b'{"auths":{"a":{"auth":"%%%"}}}', b'{"auths":{"a":{"auth":5}}}']
)
def test_what_is_no_config(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_docker_config(raw)


def test_size_is_capped() -> None:
    with pytest.raises(InvalidInput):
        parse_docker_config(b" " * 2_000_000)
