"""Settings come from where the reference says, and what cannot be one is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubedash.errors import InvalidInput
from kubedash.settings import load


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KUBEDASH_PORT", "abc"),
        ("KUBEDASH_PORT", "99999"),
        ("KUBEDASH_PORT", ""),
        ("KUBEDASH_SYNC_INTERVAL", "1.5"),
        ("KUBEDASH_BASE_PATH", "https://example.com/kubedash"),
        ("KUBEDASH_BASE_PATH", "/kube dash"),
        ("KUBEDASH_BASE_PATH", "/kubedash?x"),
        ("KUBEDASH_PUBLIC_URL", "kubedash.example.com"),
        ("KUBEDASH_PUBLIC_URL", "https://"),
        ("KUBEDASH_DATABASE_URL", "postgresql:secret@db"),
        ("KUBEDASH_SECRET_KEY", "secret"),
        ("KUBEDASH_LOG_LEVEL", "loud"),
        ("DELETE_IMAGES", "perhaps"),
        ("KUBEDASH_REGISTRIES", '{"name": "one", "url": "https://example.com", "password": "secret"}'),
        ("KUBEDASH_REGISTRIES", '[{"name": "one", "password": "secret"'),
        ("KUBEDASH_REGISTRIES", "/no/such/file.json"),
    ],
)
def test_what_cannot_be_a_setting_is_refused_by_its_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load({"KUBEDASH_DATA_DIR": str(tmp_path), name: value})
    assert name in caught.value.message
    assert "secret" not in caught.value.message
    assert "int()" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "value", "field", "read"),
    [
        ("KUBEDASH_BASE_PATH", "/kubedash/", "base_path", "/kubedash"),
        ("KUBEDASH_BASE_PATH", "tools/kubedash", "base_path", "/tools/kubedash"),
        ("KUBEDASH_BASE_PATH", "/", "base_path", ""),
        ("KUBEDASH_PUBLIC_URL", "https://kubedash.example.com/", "public_url", "https://kubedash.example.com"),
        ("KUBEDASH_PUBLIC_URL", "http://[::1]:8080", "public_url", "http://[::1]:8080"),
        ("KUBEDASH_DATABASE_URL", "postgresql://u:p@db/kubedash", "database_url", "postgresql://u:p@db/kubedash"),
        ("KUBEDASH_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", ("10.0.0.0/8", "::1")),
        ("DELETE_IMAGES", "True", "delete_images", True),
    ],
)
def test_a_setting_has_one_spelling(tmp_path: Path, name: str, value: str, field: str, read: object) -> None:
    assert getattr(load({"KUBEDASH_DATA_DIR": str(tmp_path), name: value}), field) == read


def test_the_environment_counts_before_a_secret_file_and_that_before_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "kubedash.toml").write_text('port = 1000\nadmin_password = "from the file of all"\n')
    (tmp_path / "password").write_text("from its own file\n")
    environ = {"KUBEDASH_DATA_DIR": str(tmp_path)}
    assert (load(environ).port, load(environ).admin_password) == (1000, "from the file of all")
    environ["KUBEDASH_ADMIN_PASSWORD_FILE"] = str(tmp_path / "password")
    assert load(environ).admin_password == "from its own file"
    environ |= {"KUBEDASH_ADMIN_PASSWORD": "from the environment", "KUBEDASH_PORT": "2000"}
    assert (load(environ).port, load(environ).admin_password) == (2000, "from the environment")
