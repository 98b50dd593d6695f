"""Puts together the record of one image out of what was gathered. Pure."""

from __future__ import annotations

from typing import Final

from kubedash.artifacts import secrets
from kubedash.artifacts.kinds import ArtifactKind
from kubedash.errors import InvalidInput
from kubedash.oci.annotations import TITLE, Labels, collect_labels
from kubedash.oci.digest import Digest
from kubedash.oci.image_config import (
    BuildStep,
    ImageConfig,
    pair_history_with_layers,
    parse_image_config,
)
from kubedash.oci.image_config import Healthcheck as ReadHealthcheck
from kubedash.oci.manifest import (
    ArtifactManifest,
    ImageIndex,
    ImageManifest,
    Manifest,
    SchemaOneManifest,
    parse_manifest,
)
from kubedash.oci.reference import Reference, Tag
from kubedash.oci.schema_one import schema_one_config, schema_one_steps
from kubedash.records import (
    Attachment,
    Child,
    ConfigView,
    Freshness,
    Healthcheck,
    Image,
    LabelView,
    LayerView,
    ManifestRecord,
    Record,
    TagRow,
)

SIGNATURE_KINDS: Final = frozenset(
    {ArtifactKind.COSIGN_SIGNATURE, ArtifactKind.SIGSTORE_BUNDLE, ArtifactKind.NOTATION_SIGNATURE}
)


class Gathered(Record, frozen=True, kw_only=True):
    """What the index knows around one manifest."""

    registry: str
    row: TagRow | None
    record: ManifestRecord
    """What the reference leads to."""
    shown: ManifestRecord
    """The same, or of an index the platform whose inside is shown."""
    shown_problem: str | None
    """Why the platform that was asked for cannot be shown."""
    children: tuple[Child, ...]
    tags: tuple[Tag, ...]
    parents: tuple[Digest, ...]
    attachments: tuple[Attachment, ...]


def compose_image(gathered: Gathered, reference: Reference, freshness: Freshness, *, reveal: bool) -> Image:
    """Values that look secret are masked unless `reveal`: in the environment, in commands, in the history."""
    record, shown = gathered.record, gathered.shown
    outer = parse_manifest(record.raw, record.media_type)
    inner = outer if shown is record else parse_manifest(shown.raw, shown.media_type)
    config = _image_config(shown, inner)
    labels = _labels(outer, inner, shown.digest, config)
    return Image(
        registry=gathered.registry,
        repository=reference.repository,
        reference=str(reference),
        name=str(reference.tag or reference.digest),
        digest=record.digest,
        media_type=record.media_type,
        kind=record.kind,
        artifact_type=record.artifact_type,
        platforms=_platforms(record, gathered.children),
        created=record.created or shown.created,
        size=record.size,
        aliases=tuple(tag for tag in gathered.tags if tag != reference.tag),
        signed=_signed(gathered),
        worst_severity=gathered.row.worst_severity if gathered.row else None,
        last_pulled=gathered.row.last_pulled if gathered.row else None,
        pulls=gathered.row.pulls if gathered.row else None,
        tags=gathered.tags,
        config=_view_of(config, shown.config_digest, reveal=reveal) if config else None,
        layers=_layers(inner, config, reveal=reveal),
        manifests=gathered.children,
        attachments=gathered.attachments,
        annotations=_annotations(outer),
        labels=tuple(
            LabelView(
                key=label.key,
                value=label.value,
                source=label.source,
                meaning=label.meaning,
                family=label.family,
                shadowed=label.shadowed,
            )
            for label in labels.entries
        ),
        metadata=labels.metadata,
        subject=record.subject,
        parents=gathered.parents,
        platform=shown.platform,
        shown=shown.digest,
        config_json=_own_config(shown),
        manifest_size=len(record.raw),
        problem=record.problem or gathered.shown_problem or shown.problem,
        freshness=freshness,
    )


def config_of(record: ManifestRecord, *, reveal: bool) -> ConfigView | None:
    """What a container starts with; None where the manifest is no image, or its config cannot be read."""
    config = _image_config(record, parse_manifest(record.raw, record.media_type))
    return _view_of(config, record.config_digest, reveal=reveal) if config else None


def holds_secrets(record: ManifestRecord) -> bool:
    """Whether the manifest's own bytes show what is masked elsewhere: schema 1 has no separate configuration."""
    manifest = parse_manifest(record.raw, record.media_type)
    if not isinstance(manifest, SchemaOneManifest):
        return False
    return secrets.mask_lines(manifest.history_json) != manifest.history_json or _has_secret_env(record)


def _has_secret_env(record: ManifestRecord) -> bool:
    view = config_of(record, reveal=False)
    return view is not None and view.env_masked > 0


def _image_config(record: ManifestRecord, manifest: Manifest) -> ImageConfig | None:
    if record.kind != ArtifactKind.IMAGE:
        return None
    if isinstance(manifest, SchemaOneManifest):
        return schema_one_config(manifest)
    if record.config_raw is None:
        return None
    try:
        return parse_image_config(record.config_raw)
    except InvalidInput:
        return None


def _view_of(config: ImageConfig, digest: Digest | None, *, reveal: bool) -> ConfigView:
    runtime = config.config
    env, masked = (runtime.env, 0) if reveal else secrets.mask_env(runtime.env)
    return ConfigView(
        entrypoint=_command(runtime.entrypoint, reveal=reveal),
        cmd=_command(runtime.cmd, reveal=reveal),
        env=env,
        env_masked=masked,
        labels=runtime.labels,
        working_dir=runtime.working_dir,
        user=runtime.user,
        volumes=runtime.volumes,
        exposed_ports=runtime.exposed_ports,
        healthcheck=_healthcheck(runtime.healthcheck) if runtime.healthcheck else None,
        stop_signal=runtime.stop_signal,
        shell=runtime.shell,
        on_build=runtime.on_build,
        author=config.author,
        digest=digest,
    )


def _command(words: tuple[str, ...] | None, *, reveal: bool) -> tuple[str, ...] | None:
    return words if reveal or words is None else tuple(word or "" for word in secrets.mask_lines(words))


def _healthcheck(read: ReadHealthcheck) -> Healthcheck:
    return Healthcheck(
        test=read.test,
        interval=read.interval,
        timeout=read.timeout,
        start_period=read.start_period,
        start_interval=read.start_interval,
        retries=read.retries,
    )


def _layers(manifest: Manifest, config: ImageConfig | None, *, reveal: bool) -> tuple[LayerView, ...]:
    """Of an image the instructions of its build, of another artifact its files; base first."""
    steps = _steps(manifest, config)
    commands = tuple(step.created_by for step in steps)
    return tuple(map(_layer, steps, commands if reveal else secrets.mask_lines(commands)))


def _steps(manifest: Manifest, config: ImageConfig | None) -> tuple[BuildStep, ...]:
    if isinstance(manifest, SchemaOneManifest):
        return schema_one_steps(manifest)
    if isinstance(manifest, ArtifactManifest):
        return pair_history_with_layers((), manifest.blobs)
    if isinstance(manifest, ImageManifest):
        # With a layer left out, every instruction could be that of the layer beside it.
        history = config.history if config and not manifest.unreadable_layers else ()
        return pair_history_with_layers(history, manifest.layers)
    return ()


def _layer(step: BuildStep, command: str | None) -> LayerView:
    layer = step.layer
    return LayerView(
        digest=layer.digest if layer else None,
        size=layer.size if layer else None,
        media_type=layer.media_type if layer else None,
        created_by=command,
        created=step.created,
        comment=step.comment,
        title=layer.annotations.get(TITLE) if layer else None,
    )


def _labels(outer: Manifest, inner: Manifest, shown: Digest, config: ImageConfig | None) -> Labels:
    labels = config.config.labels if config else None
    if not isinstance(outer, ImageIndex):
        return collect_labels(manifest=_annotations(outer), config=labels)
    entry = next((entry for entry in outer.manifests if entry.digest == shown), None)
    return collect_labels(
        manifest=None if inner is outer else _annotations(inner),
        index=outer.annotations,
        descriptor=entry.annotations if entry else None,
        config=labels,
    )


def _annotations(manifest: Manifest) -> dict[str, str]:
    if isinstance(manifest, ImageManifest | ImageIndex | ArtifactManifest):
        return manifest.annotations
    return {}


def _platforms(record: ManifestRecord, children: tuple[Child, ...]) -> tuple[str, ...]:
    if not children:
        return (record.platform,) if record.platform else ()
    return tuple(child.platform for child in children if child.platform and child.attests is None)


def _signed(gathered: Gathered) -> str | None:
    """Presence alone is `unchecked`: a tag or a referrer proves nothing."""
    if gathered.row is not None and gathered.row.signed:
        return gathered.row.signed
    return "unchecked" if any(item.kind in SIGNATURE_KINDS for item in gathered.attachments) else None


def _own_config(record: ManifestRecord) -> str | None:
    """The config as text, of artifacts that have a JSON of their own there (a chart's metadata)."""
    if record.kind == ArtifactKind.IMAGE or record.config_raw is None:
        return None
    return record.config_raw.decode("utf-8", errors="replace")
