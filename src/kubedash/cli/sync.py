"""`kubedash sync`: crawls in the foreground and shows how far it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Protocol

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from kubedash.cli.doors import Json, act
from kubedash.cli.output import print_json, print_line, print_note, size, visible
from kubedash.errors import Unavailable
from kubedash.oci.reference import RepositoryName
from kubedash.policy.access import Actor
from kubedash.records import Job, JobState
from kubedash.workflows import registries
from kubedash.workflows import sync as syncing
from kubedash.workflows.services import Services

LOOK_AGAIN_SECONDS: Final = 0.2
_BYTES: Final = "bytes"


class Watch(Protocol):
    """Shows a job as it goes on."""

    def __call__(self, job: Job) -> None: ...


def sync(
    registry: Annotated[str | None, Parameter(help="Only this registry.")] = None,
    repository: Annotated[str | None, Parameter(help="Only this repository of it.")] = None,
    /,
    *,
    json: Json = False,
) -> None:
    """Read the registries anew and wait for it; ends with 1 where one failed."""
    name = None if repository is None else RepositoryName.parse(repository)
    with watching(quiet=json) as watch:
        jobs = act(lambda services, actor: _sync(services, actor, registry, name, watch))
    if json:
        print_json(jobs[0] if registry is not None else jobs)
    for job in jobs:
        if job.state is not JobState.DONE:
            print_note(f"kubedash: {job.registry}: {job.error or job.state}")
    if any(job.state is not JobState.DONE for job in jobs):
        raise SystemExit(Unavailable.exit_code)


async def _sync(
    services: Services, actor: Actor, registry: str | None, repository: RepositoryName | None, watch: Watch
) -> tuple[Job, ...]:
    """One registry after the other, so that the bar shows one thing at a time."""
    names = [registry] if registry else [found.name for found in await registries.list_registries(services, actor)]
    return tuple([await _sync_one(services, actor, name, repository, watch) for name in names])


async def _sync_one(
    services: Services, actor: Actor, registry: str, repository: RepositoryName | None, watch: Watch
) -> Job:
    return await follow(services, actor, await syncing.request_sync(services, actor, registry, repository), watch)


async def follow(services: Services, actor: Actor, job: Job, watch: Watch) -> Job:
    """The job when it has ended, or was paused because something does not answer."""
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        watch(job)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        job = await syncing.job(services, actor, job.id)
    watch(job)
    return job


async def follow_to_its_end(services: Services, actor: Actor, job: Job, watch: Watch) -> Job:
    """The job when it has ended. One that pauses is given up with its reason: the same command does the rest."""
    job = await follow(services, actor, job, watch)
    if job.state is not JobState.PAUSED:
        return job
    print_note(f"kubedash: {job.error or 'somebody paused it'}")
    return await syncing.cancel(services, actor, job.id)


@contextmanager
def watching(*, quiet: bool) -> Iterator[Watch]:
    """A bar on a terminal, plain lines otherwise, nothing where `quiet`."""
    if quiet:
        yield lambda job: None
    elif sys.stdout.isatty():
        with _bar() as progress:
            yield _Bars(progress)
    else:
        yield _Lines()


class _Lines:
    """One line whenever something changed."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, job: Job) -> None:
        line = f"{_title(job)}: {job.state}{_amount(job)}"
        if line != self._said:
            self._said = line
            print_line(line)


class _Bars:
    """One bar a registry."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, job: Job) -> None:
        if job.id not in self._tasks:
            self._tasks[job.id] = self._progress.add_task(_title(job), total=None)
        done = job.progress.done if job.progress else 0
        total = job.progress.total if job.progress else None
        if job.state.has_ended:
            total = done = total or done
        self._progress.update(self._tasks[job.id], completed=done, total=total, description=_title(job))


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(),
    )


def _title(job: Job) -> str:
    return visible(f"{job.registry}/{job.repository}" if job.repository else job.registry or job.kind)


def _amount(job: Job) -> str:
    if job.progress is None:
        return ""
    show = size if job.progress.unit == _BYTES else str
    total = "" if job.progress.total is None else f" of {show(job.progress.total)}"
    return f", {show(job.progress.done)}{total}"
