"""Copying an image to another repository or registry: where to, the plan, and on to the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import Response

from kubedash.errors import Conflict, InvalidInput, KubedashError, NotFound
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Reference, RepositoryName, Tag
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Registry
from kubedash.records.copies import CopyPart, CopyPlan
from kubedash.web.pages.words import KIND_LABELS
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import copy, registries
from kubedash.workflows.copy import CopyRequest
from kubedash.workflows.services import Services

ALONG: Final = (("yes", "Copy them along"), ("no", "Leave them"))
ROLES: Final = {"root": "the image", "entry": "entry of the index", "attachment": "attachment"}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to, as it was typed."""

    registry: str = ""
    repository: str = ""
    tag: str = ""
    attachments: str = "yes"


class CopyView(msgspec.Struct, frozen=True, kw_only=True):
    registry: str
    """Where the source is."""
    source: Reference
    """What is copied."""
    target: Target
    """Where to, as it was typed."""
    registries: tuple[tuple[str, str], ...]
    """Name and title of each registry there is."""
    along: tuple[tuple[str, str], ...] = ALONG
    """Choices about attachments."""
    plan: CopyPlan | None = None
    """What would be done, or why it cannot be; None while no place was named."""
    parts: tuple[tuple[str, CopyPart], ...] = ()
    """Manifests that are copied: what each is in words, and what it is."""
    typed: str = ""
    """What was typed to confirm."""
    errors: dict[str, str] = {}
    """What is wrong, by field."""
    problem: str | None = None
    """What is wrong with the whole."""
    hint: str | None = None
    """What to try."""


async def show_copy(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[str]:
    """`…/-/copy?registry=&repository=&tag=&attachments=`: where to; and then what that would do."""
    access.require(actor, Permission.TAGS_WRITE)
    target = _typed(request.query_params)
    owners = await registries.list_registries(services, actor)
    if not target.registry:
        tag = reference.tag or ""
        suggested = Target(registry=registry, repository=reference.repository, tag=tag)
        return _shown(request, _view(registry, reference, suggested, owners))
    view = _view(registry, reference, target, owners)
    try:
        plan = await copy.plan(services, actor, read_target(registry, reference, target))
    except (InvalidInput, NotFound) as error:
        return _shown(request, _refused(view, error), error.status)
    return _shown(request, planned(view, plan))


async def perform_copy(
    request: HtmlRequest, services: Services, actor: Actor, registry: str, reference: Reference
) -> Response[Any]:
    """`POST …/-/copy`: plans again, begins the copy and leads to its job."""
    access.require(actor, Permission.TAGS_WRITE)
    form = await request.form()
    sent = {str(name): str(value) for name, value in form.items()}
    view = _view(registry, reference, _typed(sent), await registries.list_registries(services, actor))
    try:
        wanted = read_target(registry, reference, view.target)
    except InvalidInput as error:
        return _shown(request, _refused(view, error), error.status)
    digest, expected = Digest.try_parse(sent.get("digest", "")), Digest.try_parse(sent.get("expected", ""))
    typed = sent.get("confirm", "").strip()
    if expected is not None and typed != wanted.tag:
        view = planned(view, await copy.plan(services, actor, wanted))
        wrong = {"confirm": f"Type {wanted.tag} to confirm."}
        return _shown(request, msgspec.structs.replace(view, typed=typed[:200], errors=wrong), 422)
    try:
        job = await copy.execute(services, actor, wanted, digest=digest, expected=expected)
    except Conflict as error:
        view = planned(view, await copy.plan(services, actor, wanted))
        if view.plan and not view.plan.refused:
            view = msgspec.structs.replace(view, problem=error.message, hint=error.hint)
        return _shown(request, view, error.status)
    return redirect(request, urls_of(request).path(f"/jobs/{job.id}"))


def read_target(registry: str, source: Reference, target: Target) -> CopyRequest:
    """What was typed, as a request. Raises `InvalidInput` whose `fields` names everything that is wrong at once."""
    problems: dict[str, str] = {}
    repository, tag = RepositoryName(""), Tag("")
    try:
        repository = RepositoryName.parse(target.repository)
    except InvalidInput as error:
        problems["repository"] = error.message
    try:
        tag = Tag.parse(target.tag)
    except InvalidInput as error:
        problems["tag"] = error.message
    if problems:
        raise InvalidInput("There is no such place.", fields=problems)
    return CopyRequest(
        source_registry=registry,
        source=source,
        registry=target.registry,
        repository=repository,
        tag=tag,
        attachments=target.attachments != "no",
    )


def planned(view: CopyView, plan: CopyPlan) -> CopyView:
    """With the plan in words. Pure."""
    parts = tuple((KIND_LABELS.get(part.kind, part.kind), part) for part in plan.parts)
    return msgspec.structs.replace(view, plan=plan, parts=parts)


def _typed(sent: Mapping[str, str]) -> Target:
    fields = ("registry", "repository", "tag", "attachments")
    return Target(**{name: sent[name].strip()[:400] for name in fields if name in sent})


def _view(registry: str, source: Reference, target: Target, owners: tuple[Registry, ...]) -> CopyView:
    return CopyView(
        registry=registry,
        source=source,
        target=target,
        registries=tuple((owner.name, f"{owner.name} · {owner.title}") for owner in owners),
    )


def _refused(view: CopyView, error: KubedashError) -> CopyView:
    fields = dict(error.fields) if isinstance(error, InvalidInput) else {"registry": error.message}
    if "target_tag" in fields:
        fields["tag"] = fields.pop("target_tag")
    return msgspec.structs.replace(view, errors=fields, problem=error.message, hint=error.hint)


def _shown(request: HtmlRequest, view: CopyView, status: int = 200) -> Response[str]:
    return page(request, "changes/copy.html", view, section="registries", status=status)
