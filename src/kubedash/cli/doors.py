"""Opens the data folder for one command, and reads what the commands share."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import structlog
from cyclopts import Parameter

from kubedash import settings, wiring
from kubedash.errors import Conflict, InvalidInput
from kubedash.oci.reference import Reference, RepositoryName
from kubedash.policy.access import Actor
from kubedash.records import Role
from kubedash.workflows.services import Services

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print what the API answers.")]
PasswordStdin = Annotated[
    bool, Parameter(name="--password-stdin", negative="", help="Read the password from the standard input.")
]
DryRun = Annotated[bool, Parameter(negative="", help="Only show what would be done.")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative="", help="Do it without a question.")]
MAX_INPUT: Final = 4096
T = TypeVar("T")


def act(work: Callable[[Services, Actor], Awaitable[T]]) -> T:
    """Does the work on the data folder as the person at this terminal, then closes everything.

    Whoever can read the data folder is its administrator. Raises `KubedashError`.
    """
    in_force = settings.load()
    log_to_stderr(in_force.log_level)

    async def opened() -> T:
        services = await wiring.open_services(in_force, engine=False)
        try:
            return await work(services, person())
        finally:
            await wiring.close_services(services)

    return asyncio.run(opened())


def person() -> Actor:
    """The login name, for the audit trail."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return Actor(name=name, role=Role.ADMIN, via="cli")


def log_to_stderr(level: str) -> None:
    """Warnings and worse beside the answer; more only where the setting asks for debugging."""
    least = "debug" if level == "debug" else "warning"
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def read_place(text: str) -> tuple[str, RepositoryName | None]:
    """`registry` or `registry/repository`. Raises `InvalidInput`."""
    registry, slash, repository = text.partition("/")
    return registry, RepositoryName.parse(repository) if slash else None


def read_reference(text: str) -> tuple[str, Reference]:
    """`registry/repository:tag` or `registry/repository@digest`. Raises `InvalidInput`."""
    registry, slash, rest = text.partition("/")
    if not slash:
        raise InvalidInput(
            f"{text[:200]!r} is not the name of an image.",
            hint="Write REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.",
        )
    return registry, Reference.parse(rest)


def read_password(*, from_stdin: bool, variable: str, prompt: str, needed: bool) -> str | None:
    """From the standard input, the environment, or a question on a terminal; never from the arguments."""
    if from_stdin:
        return sys.stdin.read(MAX_INPUT).rstrip("\r\n")
    if variable in os.environ:
        return os.environ[variable]
    if needed and sys.stdin.isatty():
        return getpass.getpass(f"{prompt}: ")
    return None


def confirm(what: str, word: str) -> None:
    """A person at a terminal types the word; anybody else has to give `--yes`. Raises `Conflict`."""
    if not sys.stdin.isatty():
        raise Conflict(f"{what} Nothing was done.", hint="Look at it with --dry-run, and say --yes.")
    sys.stderr.write(f"{what}\nType {word} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != word:
        raise Conflict("Nothing was done.")


def read_file(path: Path | None) -> str | None:
    """Raises `InvalidInput` where it cannot be read as text."""
    if path is None:
        return None
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
