"""Values that look secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.artifacts.secrets import MASK, MAX_CHECKED, is_secret_name, mask_env, mask_lines, mask_text, mask_value

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "DB_PASSWORD",
        "PGPASSWORD",
        "MYSQL_PWD",
        "db.password",
        "dbPassword",
        "API_KEY",
        "APIKEY",
        "apiKey",
        "APIKey",
        "SSH_PRIVATE_KEY",
        "GPG_PRIVATE_KEY",
        "PUBLIC_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "SECRET",
        "CLIENT_SECRET",
        "SECRET_KEY_BASE",
        "GITHUB_TOKEN",
        "NPMTOKEN",
        "GOOGLE_CREDENTIALS",
        "SENTRY_DSN",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "PATH",
        "PWD",
        "OLDPWD",
        "KEYBOARD",
        "MONKEY",
        "KEYCLOAK_VERSION",
        "KEYRING",
        "TOKENIZERS_PARALLELISM",
        "MAX_TOKENS",
        "SECRETARY",
        "COMPASS",
        "GPG_KEY",
        "GPG_KEYS",
        "PUBLIC_KEY",
        "PASSWORD_FILE",
        "TOKEN_TTL",
        "TOKEN_URL",
        "PASSWORD_MIN_LENGTH",
        "AUTHOR",
        "LANG",
        "__",
    ],
)
def test_names_that_only_look_alike(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        JWT,
        f"Bearer {JWT}",
        "ghp_0123456789abcdef",
        "glpat-0123456789abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "Server=db;User=sa;Password=hunter2;",
        "AGE-SECRET-KEY-1QQQ",
    ],
)
def test_values_that_are_secrets_under_any_name(value: str) -> None:
    assert mask_value("SETTING", value) == MASK
    assert mask_text(f"RUN use {value}") != f"RUN use {value}"


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN CERTIFICATE-----\nMIIE",
        "-----BEGIN PUBLIC KEY-----",
        "https://example.org/a@b",
        "https://example.org:8443/x",
        "ssh://git@example.org/a.git",
        "user@example.org",
        "eyJ.eyJ.",
        "/usr/local/bin:/usr/bin",
        "",
    ],
)
def test_values_that_are_none(value: str) -> None:
    assert mask_value("SETTING", value) == value
    assert mask_text(value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://user:pa@ss@db:5432/x", f"postgres://user:{MASK}@db:5432/x"),
        ("redis://:secret@cache", f"redis://:{MASK}@cache"),
        ("https://0123abcd@example.org/r.git", f"https://{MASK}@example.org/r.git"),
        ("a://b:c@d,e://f:g@h", f"a://b:{MASK}@d,e://f:{MASK}@h"),
        ("https://user:@example.org", f"https://{MASK}@example.org"),
    ],
)
def test_of_an_address_only_the_password_is_hidden(value: str, shown: str) -> None:
    assert mask_value("DATABASE", value) == shown


@pytest.mark.parametrize("value", ["", "yes", "False", "1", "$TOKEN", "${TOKEN}", "/run/secrets/token"])
def test_a_secret_name_without_a_secret(value: str) -> None:
    assert mask_value("ALLOW_EMPTY_PASSWORD", value) == value


def test_an_environment() -> None:
    env = ("PATH=/bin", "TOKEN=abc=def", "DB=postgres://u:p@h/d", "EMPTY=", "TOKEN", "KEYBOARD=us")
    assert mask_env(env) == (
        ("PATH=/bin", f"TOKEN={MASK}", f"DB=postgres://u:{MASK}@h/d", "EMPTY=", "TOKEN", "KEYBOARD=us"),
        2,
    )


@given(st.lists(st.text(max_size=30)))
def test_an_environment_keeps_its_names_and_order(env: list[str]) -> None:
    shown, masked = mask_env(env)
    assert [entry.partition("=")[0] for entry in shown] == [entry.partition("=")[0] for entry in env]
    assert masked == sum(left != right for left, right in zip(shown, env, strict=True))


def test_assignments_in_a_command() -> None:
    assert mask_text("|2 TOKEN=abc LANG=C /bin/sh -c make") == f"|2 TOKEN={MASK} LANG=C /bin/sh -c make"
    assert mask_text("ENV A_PASSWORD=\"a b\" B_SECRET='c' D=e") == f"ENV A_PASSWORD=\"{MASK}\" B_SECRET='{MASK}' D=e"
    assert mask_text("curl https://u:p@example.org/x") == f"curl https://u:{MASK}@example.org/x"


@pytest.mark.parametrize(
    "text",
    ["eyJ-" * 50_000, "a://" + "b" * 200_000, "a=" * 100_000, 'a="' * 70_000, "eyJaaaaa." * 30_000, "; " * 100_000],
)
def test_long_hostile_text_ends(text: str) -> None:
    assert mask_text(text)
    assert mask_value("X", text)


def test_what_is_too_long_to_be_searched_is_hidden() -> None:
    """Otherwise a configuration of megabytes would be searched at every view."""
    filler = "x" * MAX_CHECKED
    assert mask_env(("A=b", f"LONG={filler}", "C=d")) == (
        ("A=b", f"LONG={MASK}", f"C={MASK}"),
        2,
    )
    assert mask_lines(("RUN a", None, filler, "RUN b")) == ("RUN a", None, MASK, MASK)
