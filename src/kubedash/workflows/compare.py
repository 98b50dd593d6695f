"""Two images side by side: what differs between them."""

from __future__ import annotations

from kubedash.errors import NotFound, RegistryError
from kubedash.oci.reference import Reference
from kubedash.policy import access, comparison
from kubedash.policy.access import SYSTEM, Actor, Permission
from kubedash.policy.comparison import MAX_PLATFORMS, Pair
from kubedash.records import Change, Child, Comparison, Image, PlatformComparison
from kubedash.workflows import inspect
from kubedash.workflows.services import Services

Place = tuple[str, Reference]
"""A registry's name, and a reference in it."""


async def compare(services: Services, actor: Actor, before: Place, after: Place, *, reveal: bool = False) -> Comparison:
    """What differs from `before` to `after`, which may lie in different repositories and registries.

    `reveal` shows values that look secret and needs a role that may see them. Raises
    `NotFound`, and the registry's own error where something has to be fetched and cannot be.
    """
    access.require(actor, Permission.IMAGES_READ)
    if reveal:
        access.require(actor, Permission.IMAGES_REVEAL)
    old, new = await _whole(services, before, None), await _whole(services, after, None)
    pairs = comparison.pair_platforms(old, new)
    inside = [pair for pair in pairs if pair.change is Change.CHANGED][:MAX_PLATFORMS]
    left_out = sum(pair.change is Change.CHANGED for pair in pairs) - len(inside)
    looked = {id(pair): await _inside(services, pair, (before, old), (after, new), reveal) for pair in inside}
    return Comparison(
        before=comparison.side_of(old),
        after=comparison.side_of(new),
        same=old.digest == new.digest,
        platforms=tuple(looked.get(id(pair)) or comparison.outside(pair) for pair in pairs),
        left_out=left_out,
    )


async def _inside(
    services: Services, pair: Pair, old: tuple[Place, Image], new: tuple[Place, Image], reveal: bool
) -> PlatformComparison:
    """A platform that cannot be had leaves the others as they are."""
    try:
        before = await _of_platform(services, *old, pair.before)
        after = await _of_platform(services, *new, pair.after)
    except (RegistryError, NotFound) as error:
        return comparison.outside(pair, error.message)
    for image, child in ((before, pair.before), (after, pair.after)):
        if child is not None and image.shown != child.digest:
            return comparison.outside(pair, image.problem or f"{child.digest} cannot be shown.")
    return comparison.compare_inside(pair, before, after, reveal=reveal)


async def _of_platform(services: Services, place: Place, image: Image, child: Child | None) -> Image:
    if child is None or child.digest == image.shown:
        return image
    return await _whole(services, (place[0], Reference(image.repository, digest=image.digest)), child.digest)


async def _whole(services: Services, place: Place, platform: str | None) -> Image:
    """Read as KubeDash itself, because values are compared before they are masked."""
    return await inspect.open_image(services, SYSTEM, *place, platform, reveal=True)
