"""`kubedash copy`: to another repository or registry, with everything that belongs to an image."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kubedash.cli.doors import DryRun, Json, Yes, act, confirm, read_place, read_reference
from kubedash.cli.output import print_facts, print_json, print_line, print_note, size
from kubedash.cli.sync import Watch, follow, follow_to_its_end, watching
from kubedash.errors import Conflict, InvalidInput, Unavailable
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy.access import Actor
from kubedash.records import CopyJob, CopyPlan, CopyRole, JobState
from kubedash.workflows import copy
from kubedash.workflows import sync as syncing
from kubedash.workflows.copy import CopyRequest
from kubedash.workflows.services import Services


def copy_image(
    source: Annotated[str, Parameter(name="REF", help="REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST.")],
    target: Annotated[
        str, Parameter(name="TARGETREF", help="REGISTRY/REPOSITORY:TAG; without :TAG the tag is that of REF.")
    ],
    /,
    *,
    attachments: Annotated[bool, Parameter(help="Take signatures, SBOMs and other attachments along.")] = True,
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Copy an image, index, chart or artifact verbatim, with its attachments, and wait for it."""
    wanted = _request(source, target, attachments)
    plan = act(lambda services, actor: copy.plan(services, actor, wanted))
    if not json:
        _print_plan(plan)
    elif dry_run:
        print_json(plan)
    if plan.refused is not None:
        raise Conflict(plan.refused, hint=plan.remedy)
    if dry_run:
        return
    if plan.overwrites and not yes:
        confirm(f"{plan.registry}/{plan.repository}:{plan.tag} would be overwritten.", plan.tag)
    with watching(quiet=json) as watch:
        done = act(lambda services, actor: _copy(services, actor, wanted, plan, watch))
    if json:
        print_json(done)
    if done.job.state is not JobState.DONE:
        print_note(f"kubedash: {done.job.error or done.job.state}")
        raise SystemExit(Unavailable.exit_code)
    if not json:
        _print_outcome(done)


async def _copy(services: Services, actor: Actor, wanted: CopyRequest, plan: CopyPlan, watch: Watch) -> CopyJob:
    job = await copy.execute(services, actor, wanted, digest=plan.digest, expected=plan.old_digest)
    job = await follow_to_its_end(services, actor, job, watch)
    if job.state is JobState.DONE:
        # What hangs on the copy is found by this; it ends with the command otherwise.
        look = await syncing.request_sync(services, actor, wanted.registry, wanted.repository)
        await follow(services, actor, look, lambda _: None)
    return await copy.open_copy(services, actor, job.id)


def _request(source: str, target: str, attachments: bool) -> CopyRequest:
    registry, reference = read_reference(source)
    to_registry, repository, tag = _target(target)
    tag = tag or reference.tag
    if tag is None:
        raise InvalidInput("A digest has no tag to keep.", hint="Write REGISTRY/REPOSITORY:TAG as the target.")
    return CopyRequest(
        source_registry=registry,
        source=reference,
        registry=to_registry,
        repository=repository,
        tag=tag,
        attachments=attachments,
    )


def _target(text: str) -> tuple[str, RepositoryName, Tag | None]:
    if ":" not in text and "@" not in text:
        registry, repository = read_place(text)
        if repository is not None:
            return registry, repository, None
    registry, reference = read_reference(text)
    if reference.digest is not None:
        raise InvalidInput("A copy goes to a tag.", hint="Write REGISTRY/REPOSITORY:TAG as the target.")
    return registry, reference.repository, reference.tag


def _print_plan(plan: CopyPlan) -> None:
    source = Reference(plan.source_repository, digest=plan.digest)
    attached = sum(part.role is CopyRole.ATTACHMENT for part in plan.parts)
    print_facts(
        (
            ("from", f"{plan.source_registry}/{source}"),
            ("to", f"{plan.registry}/{plan.repository}:{plan.tag}"),
            ("kind", plan.kind),
            ("manifests", f"{len(plan.parts)}, {attached} of them attached"),
            ("blobs", f"{plan.blobs}, {plan.blobs_there} of them there already"),
            ("size", size(plan.bytes_total)),
            ("to move", "nothing: one registry" if plan.mounts else size(plan.bytes_to_move)),
            ("overwrites", plan.old_digest if plan.overwrites else None),
        )
    )
    for warning in plan.warnings:
        print_line(f"warning: {warning}")


def _print_outcome(done: CopyJob) -> None:
    found = done.outcome
    moved = "" if found is None else f": {found.uploaded} blobs uploaded ({size(found.bytes_uploaded)}), "
    rest = "" if found is None else f"{found.mounted} mounted, {found.there} were there"
    print_line(f"Copied to {done.registry}/{done.repository}:{done.tag} as {done.digest}{moved}{rest}.")
