"""Passwords as argon2 hashes; the work runs in two threads of its own, so that nothing else waits."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kubedash.errors import InvalidInput

MIN_PASSWORD_LENGTH: Final = 8
MAX_PASSWORD_LENGTH: Final = 1024
_GENERATED_BYTES: Final = 15
_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1)
_THREADS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
"""Two at most: a flood of sign-ins may cost neither all processors nor all memory."""


def generate_password() -> str:
    """A password nobody can guess, 20 characters long."""
    return secrets.token_urlsafe(_GENERATED_BYTES)


def check_new_password(password: str, name: str) -> None:
    """Raises `InvalidInput` where a person should choose another one."""
    if len(password) < MIN_PASSWORD_LENGTH:
        problem = f"needs at least {MIN_PASSWORD_LENGTH} characters"
    elif len(password) > MAX_PASSWORD_LENGTH:
        problem = f"has more than {MAX_PASSWORD_LENGTH} characters"
    elif password.lower() == name.lower():
        problem = "must differ from the name"
    else:
        return
    raise InvalidInput(f"The password {problem}.", fields={"password": problem})


async def hash_password(password: str) -> str:
    """The text to keep instead of the password."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether it is the one that was hashed; takes as long where there is no hash at all."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, stored, password)


def needs_rehash(stored: str) -> bool:
    """Whether it was made with weaker settings than today's."""
    return _HASHER.check_needs_rehash(stored)


def _hash(password: str) -> str:
    return _HASHER.hash(_as_bytes(password))


def _verify(stored: str | None, password: str) -> bool:
    try:
        _HASHER.verify(stored or _decoy(), _as_bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


@cache
def _decoy() -> str:
    return _hash(generate_password())


def _as_bytes(password: str) -> bytes:
    return password[: MAX_PASSWORD_LENGTH + 1].encode("utf-8", "surrogatepass")
