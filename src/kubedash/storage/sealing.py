"""Secrets at rest: AES-256-GCM under a key that the database does not hold.

A sealed value is one byte of version, twelve of nonce, then ciphertext with its tag.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kubedash.errors import Unavailable
from kubedash.settings import MIN_SECRET_LENGTH, Settings

KEY_FILE: Final = "secret.key"
_VERSION: Final = b"\x01"
_NONCE_LENGTH: Final = 12
_PURPOSE: Final = b"kubedash sealed values 1"


class SealedOtherwise(Unavailable):
    """It was sealed with another key, or was changed since."""


class Sealer:
    """Seals and opens with a key derived from the secret."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(derive_key(key, _PURPOSE))

    def __repr__(self) -> str:
        return "Sealer(…)"

    def seal(self, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_LENGTH)
        return _VERSION + nonce + self._cipher.encrypt(nonce, content, _VERSION)

    def open(self, sealed: bytes) -> bytes:
        """Raises `SealedOtherwise`."""
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE_LENGTH], sealed[1 + _NONCE_LENGTH :]
        try:
            if version != _VERSION:
                raise InvalidTag
            return self._cipher.decrypt(nonce, rest, _VERSION)
        except (InvalidTag, ValueError) as error:
            raise SealedOtherwise(
                "A stored secret cannot be opened: it was sealed with another key.",
                hint=f"Start with the KUBEDASH_SECRET_KEY (or the file {KEY_FILE}) that was in force when it was "
                "saved, or enter the registry's password again.",
            ) from error


def derive_key(secret: bytes, purpose: bytes) -> bytes:
    """32 bytes for one purpose; two purposes never share a key."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)


def load_key(settings: Settings) -> bytes:
    """The secret in force: the setting, or the file of the data folder, made once with mode 0600.

    Raises `Unavailable` where the file cannot be read or made.
    """
    if settings.secret_key:
        return hashlib.sha256(settings.secret_key.encode()).digest()
    path = settings.data_dir / KEY_FILE
    try:
        _create_once(path)
        content = path.read_bytes().strip()
    except OSError as error:
        raise Unavailable(
            f"Cannot keep the secret key in {path}: {error.strerror}.",
            hint="Set KUBEDASH_SECRET_KEY, or make KUBEDASH_DATA_DIR writable.",
        ) from error
    if len(content) < MIN_SECRET_LENGTH:
        raise Unavailable(f"{path} holds no key.", hint="Restore it from a backup, or remove it for a new one.")
    return hashlib.sha256(content).digest()


def _create_once(path: Path) -> None:
    """Written aside and linked into place: whoever comes second finds a whole key."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
        os.link(aside, path)
    except FileExistsError:
        return
    finally:
        aside.unlink(missing_ok=True)
