"""What a plan of a deletion says to people: requests, warnings, the way back, and when bytes are free."""

from __future__ import annotations

from typing import Final

from kubedash.oci.media_types import INDEX_TYPES
from kubedash.records import ApiCall, Capabilities, DeletionPlan, Strategy

INDEX_CHILD: Final = "index_child"
"""How an entry of an index is attached to it."""
SETTING: Final = "storage.delete.enabled"
PLACEHOLDER: Final = "<digest of the placeholder>"
_EACH_SIBLING: Final = 3
"""So many siblings are named one by one in the list of requests."""


def disabled_remedy(able: Capabilities) -> str:
    """Which setting to change, and where."""
    if able.product in (None, "GitLab", "GitLab or Gitea"):
        return (
            f"Set `{SETTING}: true` in the registry's config.yml (or REGISTRY_STORAGE_DELETE_ENABLED=true in its "
            "environment), see that it is not in read-only maintenance, and restart it."
        )
    return f"Turn deletion on in {able.product}, or ask whoever runs it to."


def calls_of(plan: DeletionPlan) -> tuple[ApiCall, ...]:
    """The requests to the registry, in order; those that only look are named as far as they decide something."""
    manifests = f"/v2/{plan.repository}/manifests"
    target = f"{manifests}/{plan.tag or plan.digest}"
    found = [ApiCall(method="HEAD", path=target, why="see that it still is what this plan is about")]
    if plan.strategy is Strategy.DIGEST and plan.tag is not None:
        found.append(
            ApiCall(method="HEAD", path=f"{manifests}/<every tag>", why="see that no other tag shares the digest")
        )
    found += _acting(plan, manifests)
    if plan.take_orphans:
        found += [
            ApiCall(method="DELETE", path=f"{manifests}/{orphan.digest}", why=f"delete its {words_of(orphan.kind)}")
            for orphan in plan.orphans
        ]
    found.append(ApiCall(method="HEAD", path=target, why="see that it is gone"))
    found += [
        ApiCall(method="HEAD", path=f"{manifests}/{tag}", why="see that this tag still resolves")
        for tag in plan.spares[:_EACH_SIBLING]
    ]
    if len(plan.spares) > _EACH_SIBLING:
        rest = len(plan.spares) - _EACH_SIBLING
        found.append(ApiCall(method="HEAD", path=f"{manifests}/<each other tag>", why=f"the same for {rest} more"))
    return tuple(found)


def _acting(plan: DeletionPlan, manifests: str) -> list[ApiCall]:
    match plan.strategy:
        case Strategy.NATIVE:
            return [ApiCall(method="DELETE", path=f"{manifests}/{plan.tag}", why="delete the tag alone")]
        case Strategy.DIGEST:
            what = "delete the manifest, with its only tag" if plan.tag else "delete the manifest, with its tags"
            return [ApiCall(method="DELETE", path=f"{manifests}/{plan.digest}", why=what)]
        case Strategy.HARBOR:
            project, _, name = plan.repository.partition("/")
            path = f"/api/v2.0/projects/{project}/repositories/{name}/artifacts/{plan.tag}/tags/{plan.tag}"
            return [ApiCall(method="DELETE", path=path, why="delete the tag alone, by Harbor's own API")]
        case Strategy.PLACEHOLDER:
            uploads = f"/v2/{plan.repository}/blobs/uploads/"
            unique = "never seen before"
            return [
                ApiCall(method="DELETE", path=f"{manifests}/<digest {unique}>", why="see that deleting is turned on"),
                ApiCall(method="POST", path=uploads, why="push the placeholder's layer, 2 bytes, where it is new"),
                ApiCall(method="POST", path=uploads, why="push the placeholder's config"),
                ApiCall(method="PUT", path=f"{manifests}/{plan.tag}", why="move the tag to the placeholder"),
                ApiCall(method="HEAD", path=f"{manifests}/{plan.tag}", why="see that nobody pushed meanwhile"),
                ApiCall(
                    method="DELETE", path=f"{manifests}/{PLACEHOLDER}", why="delete the placeholder, with its only tag"
                ),
            ]
    return []


def warnings_of(plan: DeletionPlan, *, leaves_empty: bool, kept: bool) -> tuple[str, ...]:
    """What somebody should know before it is done."""
    found = []
    if plan.tag is not None and plan.parents:
        found.append(f"The manifest stays, because {_indexes(len(plan.parents))}: only the tag goes.")
    if plan.orphans and not plan.take_orphans:
        found.append(f"Left behind without a use: {_summary(plan)}.")
    if plan.orphans and plan.take_orphans:
        found.append(f"Deleted along with it: {_summary(plan)}.")
    if plan.strategy is Strategy.PLACEHOLDER:
        found.append("For a moment the tag leads to an empty placeholder; whoever pulls it just then fails.")
    if plan.strategy is Strategy.HARBOR and plan.tag is None:
        found.append("Harbor also deletes what is attached to it.")
    if leaves_empty:
        found.append("It is the last tag: the registry goes on listing the repository, without any tags.")
    if not kept:
        found.append("The manifest could not be read, so it cannot be put back from here.")
    return tuple(found)


def _indexes(count: int) -> str:
    return "an index names it" if count == 1 else f"{count} indexes name it"


def _summary(plan: DeletionPlan) -> str:
    kinds: dict[str, int] = {}
    for orphan in plan.orphans:
        name = "entry of the index" if orphan.attached_by == INDEX_CHILD else words_of(orphan.kind)
        kinds[name] = kinds.get(name, 0) + 1
    return ", ".join(f"{count} × {name}" for name, count in kinds.items())


def words_of(kind: str) -> str:
    """`cosign_signature` as people read it."""
    return kind.replace("_", " ")


def undo_of(plan: DeletionPlan, *, kept: bool) -> str | None:
    """How to get it back, and until when; None where it cannot be."""
    if not kept:
        return None
    what = "the index and its entries" if plan.media_type in INDEX_TYPES else "the manifest"
    where = f"kubedash restore {plan.registry}/{plan.repository}:{plan.tag or '<tag>'}"
    return (
        f"Restore puts {what} back from the bytes that are kept here (`{where}`), as long as the registry's "
        "garbage collection has not taken the layers."
    )


def note_on_bytes(plan: DeletionPlan) -> str:
    """Why nothing is free at once, and what frees it."""
    if plan.spares or plan.parents:
        return "Nothing is freed: other tags or indexes keep the same manifest."
    product = plan.capabilities.product if plan.capabilities else None
    if product == "zot":
        return "zot frees them by itself, when its garbage collection runs next and its delay has passed."
    if product is not None:
        return f"{product} frees them when its own garbage collection runs."
    if plan.strategy is Strategy.DIGEST:
        return (
            "The registry only unlinks; they are free when its administrator runs "
            "`registry garbage-collect` while nobody pushes."
        )
    if plan.strategy is Strategy.NATIVE:
        return (
            "The manifest stays without a tag until the registry's garbage collection takes it: zot's runs by itself, "
            "distribution's is `registry garbage-collect --delete-untagged`."
        )
    return (
        "The manifest stays without a tag; `registry garbage-collect --delete-untagged` frees them. In distribution "
        "2.8 that also deletes the platforms of multi-platform images: look first at what it would take."
    )
