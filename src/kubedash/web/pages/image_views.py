"""What the pages of one image show: the header that all share, and what each tab adds. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from kubedash.artifacts.kinds import ArtifactKind
from kubedash.oci.annotations import is_web_address
from kubedash.oci.digest import Digest
from kubedash.oci.reference import Tag
from kubedash.records import Child, Image, LabelView, LayerView, Registry
from kubedash.web.addresses import query_string
from kubedash.web.pages.chart import ChartView
from kubedash.web.pages.pull_commands import IMAGE_KINDS, PullCommand, pull_commands
from kubedash.web.pages.words import AttachmentWord, attachment_words, broken_words, kind_label, live_topics

ALIASES_SHOWN: Final = 6
METADATA: Final = (
    ("title", "Title"),
    ("description", "Description"),
    ("version", "Version"),
    ("source", "Source"),
    ("revision", "Revision"),
    ("created", "Created, by the label"),
    ("licenses", "Licences"),
    ("vendor", "Vendor"),
    ("authors", "Authors"),
    ("url", "Home page"),
    ("documentation", "Documentation"),
    ("base_name", "Base image"),
    ("base_digest", "Base image's digest"),
)
"""Meaning → what people call it, in the order of the page."""
ATTACHED_BY: Final = {
    "referrers_api": "the registry's referrers list",
    "referrers_tag": "the referrers tag",
    "cosign_tag": "a cosign tag",
    "index_child": "an entry of the index",
    "subject": "its own manifest",
}


class Tab(msgspec.Struct, frozen=True):
    """One view of the image."""

    view: str | None
    """What follows `/-/` in its address; None: the main page."""
    label: str
    """Its name."""
    count: int | None = None
    """How many things it shows."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What stands above every tab."""

    image: Image
    """Everything that is known of it."""
    registry: Registry
    """Where it is."""
    kind: str
    """What people call its kind."""
    tab: str | None
    """The tab that is open."""
    tabs: tuple[Tab, ...]
    """Those that make sense for this kind."""
    platforms: tuple[Child, ...]
    """The entries of an index that can be chosen; empty where there is no choice."""
    attachments: tuple[AttachmentWord, ...]
    """What is attached, in words."""
    aliases_shown: int
    """How many of the other tags the header names."""
    commands: tuple[PullCommand, ...]
    """The pull command for each tool."""
    by_digest: bool
    """The commands name the digest, not the tag."""
    can_choose: bool
    """There is a tag, so that both are possible."""
    keep: str
    """The query that the tabs pass on: platform and way of pulling."""
    topics: str
    """What to listen to."""

    @property
    def is_index(self) -> bool:
        return self.image.kind == ArtifactKind.INDEX

    @property
    def is_image(self) -> bool:
        return self.image.kind in IMAGE_KINDS


class Fact(msgspec.Struct, frozen=True):
    """A line of metadata."""

    name: str
    """What it says."""
    value: str
    """In somebody else's words."""
    by: str
    """Where it was written."""
    href: str | None = None
    """The value itself, where it is a plain web address."""


class InfoView(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    """What stands above every tab."""
    facts: tuple[Fact, ...]
    """Metadata by meaning."""
    layer_count: int
    """Layers with content."""
    platforms: tuple[Child, ...]
    """Of an index: the entries that run somewhere."""
    attestations: tuple[Child, ...]
    """Of an index: the entries that speak about others."""
    files: tuple[LayerView, ...]
    """Of an artifact that is no image: what it carries."""
    chart: ChartView | None
    """Of a chart: its Chart.yaml."""
    kinds: dict[str, str]
    """Slug of a kind → what people call it."""
    attached_by: dict[str, str]
    """How an attachment was found, in words."""


class ConfigurationView(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    """What stands above every tab."""
    env: tuple[tuple[str, str], ...]
    """Names and values; some of the values masked."""
    may_reveal: bool
    """Whether the link that shows masked values is offered."""
    revealed: bool
    """They are shown."""


class LabelLine(msgspec.Struct, frozen=True):
    """A label with its words."""

    label: LabelView
    """As it was written."""
    meaning: str
    """What it means, in words; empty where that is not known."""
    href: str | None
    """The value itself, where it is a plain web address."""


class LabelsView(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    """What stands above every tab."""
    labels: tuple[LabelLine, ...]
    """All of them, strongest first."""


def header_of(
    image: Image, registry: Registry, tab: str | None, *, platform: str | None = None, by_digest: bool = False
) -> Header:
    """`platform` as it was asked for; `by_digest` is moot where the image was asked for by digest."""
    tag = None if Digest.try_parse(image.name) else Tag(image.name)
    digest = image.digest if by_digest or tag is None else None
    return Header(
        image=image,
        registry=registry,
        kind=kind_label(image.kind) or "Unknown",
        tab=tab,
        tabs=_tabs(image),
        platforms=_choices(image),
        attachments=(*broken_words(_missing(image)), *attachment_words(_attached_kinds(image), image.signed)),
        aliases_shown=ALIASES_SHOWN,
        commands=pull_commands(registry, image.repository, image.kind, tag, digest),
        by_digest=digest is not None,
        can_choose=tag is not None,
        keep=query_string({"platform": platform, "pull": "digest" if by_digest else None}),
        topics=live_topics(registry, image.repository, image.freshness.job_id),
    )


def _tabs(image: Image) -> tuple[Tab, ...]:
    layers = sum(layer.digest is not None for layer in image.layers)
    tabs = [Tab(None, "Info")]
    if image.config is not None:
        tabs.append(Tab("config", "Configuration"))
    if image.layers:
        tabs.append(Tab("layers", "Layers" if image.config is not None else "Files", layers))
    tabs += [Tab("labels", "Labels", len(image.labels)), Tab("events", "Events"), Tab("manifest", "Manifest")]
    return (*tabs, *((Tab("history", "History"),) if Digest.try_parse(image.name) is None else ()))


def _choices(image: Image) -> tuple[Child, ...]:
    runnable = runnable_children(image)
    return runnable if image.kind == ArtifactKind.INDEX and len(runnable) > 1 else ()


def runnable_children(image: Image) -> tuple[Child, ...]:
    """The entries of an index that are no attestations."""
    return tuple(child for child in image.manifests if child.attests is None)


def attestation_children(image: Image) -> tuple[Child, ...]:
    return tuple(child for child in image.manifests if child.attests is not None)


def _attached_kinds(image: Image) -> set[str]:
    kinds = {attachment.kind for attachment in image.attachments}
    return kinds | {str(ArtifactKind.BUILDKIT_ATTESTATION)} if attestation_children(image) else kinds


def facts_of(image: Image) -> tuple[Fact, ...]:
    """Metadata in the order of the page, each with the place it comes from."""
    sources = {label.meaning: label.source for label in reversed(image.labels) if label.meaning and not label.shadowed}
    return tuple(
        Fact(name, image.metadata[meaning], sources.get(meaning, ""), link_of(image.metadata[meaning]))
        for meaning, name in METADATA
        if image.metadata.get(meaning)
    )


def label_lines(image: Image) -> tuple[LabelLine, ...]:
    names = dict(METADATA)
    return tuple(
        LabelLine(label, names.get(label.meaning or "", label.meaning or ""), link_of(label.value))
        for label in image.labels
    )


def link_of(value: str) -> str | None:
    """The address behind a label, if it is one: http and https alone become links."""
    return value if is_web_address(value) else None


def split_env(env: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Values hold `=` too: only the first one separates."""
    return tuple((name, value) for name, _, value in (line.partition("=") for line in env))


def layer_anchor(digest: Digest) -> str:
    """The id of a layer's row on the layers tab."""
    return f"layer-{digest.encoded[:12]}"


def _missing(image: Image) -> tuple[str, ...]:
    """Entries of an index that the registry no longer has."""
    return tuple(child.platform or child.digest for child in image.manifests if child.missing)
