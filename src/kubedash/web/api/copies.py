"""Copying images to other places."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from kubedash.errors import InvalidInput
from kubedash.oci.digest import Digest
from kubedash.records import CopyJob, CopyPlan, Job
from kubedash.web.api.bodies import Body
from kubedash.web.api.values import read_digest, read_reference, read_repository, read_tag
from kubedash.web.given import GivenActor, GivenServices
from kubedash.workflows import copy
from kubedash.workflows.copy import CopyRequest
from kubedash.workflows.services import Services


class NewCopy(Body, frozen=True, kw_only=True):
    """What to copy, and where to."""

    repository: str
    reference: str
    """A tag, or a digest."""
    target_repository: str
    target_registry: str | None = None
    """Left out: the same registry."""
    target_tag: str | None = None
    """Left out: the tag of `reference`."""
    attachments: bool = True
    """Signatures, SBOMs and other attachments go along."""
    digest: str | None = None
    """What the source was seen to be; anything else now is a 409."""
    expected: str | None = None
    """What the target's tag was seen to point to; needed where it is overwritten."""


@post("/registries/{registry:str}/copies", summary="Copy an image", status_code=202)
async def copy_image(
    services: GivenServices,
    actor: GivenActor,
    registry: FromPath[str],
    data: JSONBody[NewCopy],
    dry_run: Annotated[bool, QueryParameter(description="Only plan it.")] = False,
) -> Response[Job] | Response[CopyPlan]:
    """Copies an image, index, chart or artifact verbatim to another repository or registry.

    With `dry_run` answers the plan (200). Otherwise plans anew and queues the copy (202 and
    its job); overwriting a tag needs its present digest as `expected`, else 409.
    """
    wanted = _request(registry, data)
    if dry_run:
        return Response(await copy.plan(services, actor, wanted), status_code=200)
    job = await copy.execute(
        services, actor, wanted, digest=_digest("digest", data.digest), expected=_digest("expected", data.expected)
    )
    return Response(job, status_code=202, headers=location(services, job))


@get("/copies/{job_id:str}", summary="Show a copy")
async def show_copy(services: GivenServices, actor: GivenActor, job_id: FromPath[str]) -> CopyJob:
    """A copy under way or done: from where, to where, how far, and what it took."""
    return await copy.open_copy(services, actor, job_id)


def location(services: Services, job: Job) -> dict[str, str]:
    """Where the job is watched."""
    return {"Location": f"{services.settings.base_path}/api/v1/jobs/{job.id}"}


def _request(registry: str, data: NewCopy) -> CopyRequest:
    source = read_reference(data.repository, data.reference)
    tag = data.target_tag or source.tag
    if tag is None:
        raise InvalidInput("A digest has no tag to keep.", fields={"target_tag": "is needed"})
    return CopyRequest(
        source_registry=registry,
        source=source,
        registry=data.target_registry or registry,
        repository=read_repository(data.target_repository, "target_repository"),
        tag=read_tag(tag, "target_tag"),
        attachments=data.attachments,
    )


def _digest(field: str, text: str | None) -> Digest | None:
    return None if text is None else read_digest(text, field)
