"""Sealed secrets and the key that seals them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubedash.errors import Unavailable
from kubedash.settings import load
from kubedash.storage.sealing import KEY_FILE, Sealer, derive_key, load_key


@given(st.binary(max_size=500))
def test_what_was_sealed_opens_again(content: bytes) -> None:
    sealer = Sealer(b"k" * 32)
    sealed = sealer.seal(content)
    assert sealer.open(sealed) == content
    assert sealer.seal(content) != sealed
    assert len(content) < 8 or content not in sealed


@given(st.integers(min_value=0, max_value=40), st.integers(min_value=1, max_value=255))
def test_what_was_changed_does_not_open(place: int, flip: int) -> None:
    sealed = bytearray(Sealer(b"k" * 32).seal(b"a password"))
    sealed[place % len(sealed)] ^= flip
    with pytest.raises(Unavailable):
        Sealer(b"k" * 32).open(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01short", b"\x02" + b"0" * 40])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unavailable):
        Sealer(b"k" * 32).open(sealed)


def test_another_key_says_what_to_do() -> None:
    with pytest.raises(Unavailable, match="another key") as caught:
        Sealer(b"b" * 32).open(Sealer(b"a" * 32).seal(b"x"))
    assert "KUBEDASH_SECRET_KEY" in (caught.value.hint or "")
    assert repr(Sealer(b"a" * 32)) == "Sealer(…)"


def test_purposes_have_keys_of_their_own() -> None:
    assert derive_key(b"s" * 32, b"one") != derive_key(b"s" * 32, b"two")


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load({"KUBEDASH_DATA_DIR": str(tmp_path / "data")})
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_key(settings), range(16)))
    assert len(keys) == 1
    assert (tmp_path / "data" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == [KEY_FILE]


def test_the_setting_comes_before_the_file(tmp_path: Path) -> None:
    secret = "0123456789abcdef" * 2
    settings = load({"KUBEDASH_DATA_DIR": str(tmp_path), "KUBEDASH_SECRET_KEY": secret})
    assert load_key(settings) == load_key(settings)
    assert not (tmp_path / KEY_FILE).exists()


def test_a_key_that_cannot_be_kept_or_read_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        load_key(load({"KUBEDASH_DATA_DIR": str(tmp_path / "file")}))
    (tmp_path / KEY_FILE).write_text("short")
    with pytest.raises(Unavailable):
        load_key(load({"KUBEDASH_DATA_DIR": str(tmp_path)}))
