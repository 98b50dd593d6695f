"""Makes images, indexes and artifacts, and pushes them: the same arguments give the same bytes.

Standard library alone. Connections are kept open, and blobs that were pushed
to a repository once are not sent again.
"""

from __future__ import annotations

import atexit
import base64
import gzip
import hashlib
import http.client
import io
import json
import ssl
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack
from urllib.parse import urlencode, urlsplit

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

Auth = tuple[str, str]
"""User name and password."""


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encode(document: Any) -> bytes:
    """JSON as the samples are written: stable, readable."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Sample:
    """A manifest with all that must be in the registry before it."""

    manifest: bytes
    media_type: str
    blobs: tuple[bytes, ...] = ()
    children: tuple[Sample, ...] = ()
    platform: str | None = None

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """How an index or a `subject` points at it; `more` is added, e.g. `annotations`."""
        found: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}
        if self.platform:
            found["platform"] = platform_of(self.platform)
        return found | more


class ImageOptions(TypedDict, total=False):
    """What an image may be asked to be; all of it optional."""

    platform: str
    """`linux/amd64`, `linux/arm/v7`, … Default `linux/amd64`."""
    layers: Sequence[bytes]
    """Layer blobs. Default: one small layer that depends on the platform."""
    config: Mapping[str, Any]
    """The `config` member of the image config: Env, Cmd, ExposedPorts, …"""
    labels: Mapping[str, str] | None
    history: Sequence[Mapping[str, Any]] | None
    """Default: one step per layer."""
    created: str | None
    annotations: Mapping[str, str]
    docker: bool
    """Docker's schema 2 media types instead of OCI's."""
    extra: Mapping[str, Any]
    """Members of the image config that replace or add to the others; None removes one."""
    subject: Sample


def make_layer(files: Mapping[str, bytes | str]) -> bytes:
    """A gzipped tar with these files, owned by root, dated 1970."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def make_image(**options: Unpack[ImageOptions]) -> Sample:
    """An image for one platform."""
    platform = options.get("platform", "linux/amd64")
    layers = tuple(options.get("layers", (make_layer({"etc/platform": f"{platform}\n"}),)))
    docker = options.get("docker", False)
    config = encode(_image_config(platform, layers, options))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
        "config": _descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, config),
        "layers": [_descriptor(DOCKER_LAYER if docker else OCI_LAYER, layer) for layer in layers],
    }
    if "subject" in options:
        manifest["subject"] = _subject(options["subject"])
    if "annotations" in options:
        manifest["annotations"] = dict(options["annotations"])
    return Sample(encode(manifest), manifest["mediaType"], (config, *layers), platform=platform)


def _image_config(platform: str, layers: Sequence[bytes], options: ImageOptions) -> dict[str, Any]:
    runtime = dict(options.get("config", {}))
    if "labels" in options:
        runtime["Labels"] = options["labels"]
    created = options.get("created", "2026-01-02T03:04:05.678901234Z")
    steps = [{"created": created, "created_by": f"COPY layer-{number} / # buildkit"} for number in range(len(layers))]
    document: dict[str, Any] = {
        "created": created,
        **platform_of(platform),
        "config": runtime,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(_unzipped(layer)) for layer in layers]},
        "history": options.get("history", steps),
        **options.get("extra", {}),
    }
    return {key: value for key, value in document.items() if value is not None}


def make_index(
    children: Sequence[Sample | tuple[Sample, Mapping[str, Any]]],
    *,
    annotations: Mapping[str, str] | None = None,
    docker: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Sample:
    """An index. A child may come with members to add to its descriptor."""
    pairs = [child if isinstance(child, tuple) else (child, {}) for child in children]
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": DOCKER_LIST if docker else OCI_INDEX,
        "manifests": [sample.descriptor(**more) for sample, more in pairs],
        **(extra or {}),
    }
    if annotations:
        document["annotations"] = dict(annotations)
    return Sample(encode(document), document["mediaType"], children=tuple(sample for sample, _ in pairs))


class ArtifactOptions(TypedDict, total=False):
    """What an artifact may be asked to be; all of it optional."""

    artifact_type: str
    config: tuple[str, bytes]
    """Media type and content. Default: the empty descriptor."""
    subject: Sample
    annotations: Mapping[str, str]


def make_artifact(
    layers: Sequence[tuple[str, bytes] | tuple[str, bytes, Mapping[str, str]]], **options: Unpack[ArtifactOptions]
) -> Sample:
    """An OCI manifest of any kind; a layer is media type, content and, optionally, annotations."""
    config_type, config = options.get("config", (OCI_EMPTY, b"{}"))
    entries = []
    for media_type, content, *notes in layers:
        more = {"annotations": dict(notes[0])} if notes else {}
        entries.append(_descriptor(media_type, content) | more)
    manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if "artifact_type" in options:
        manifest["artifactType"] = options["artifact_type"]
    manifest |= {"config": _descriptor(config_type, config), "layers": entries}
    if "subject" in options:
        manifest["subject"] = _subject(options["subject"])
    if "annotations" in options:
        manifest["annotations"] = dict(options["annotations"])
    return Sample(encode(manifest), OCI_MANIFEST, (config, *(layer[1] for layer in layers)))


def platform_of(text: str) -> dict[str, str]:
    """`linux/arm/v7` as the members of a platform object."""
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _subject(sample: Sample) -> dict[str, Any]:
    return {"mediaType": sample.media_type, "digest": sample.digest, "size": len(sample.manifest)}


def _unzipped(layer: bytes) -> bytes:
    return gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer


class PushError(Exception):
    """The registry did not take it."""


_contexts: dict[str, ssl.SSLContext] = {}
_pushed: set[tuple[str, str, str]] = set()
_idle: dict[str, list[http.client.HTTPConnection]] = {}


def trust(url: str, ca: Path | str) -> None:
    """From now on the registry at `url` is checked against the certificates in the file `ca`."""
    _contexts[urlsplit(url).netloc] = ssl.create_default_context(cafile=str(ca))


def push_blob(url: str, repository: str, content: bytes, auth: Auth | None = None) -> str:
    """Uploads it in one piece, unless it went there before. Returns the digest."""
    digest = digest_of(content)
    key = (url, repository, digest)
    if key in _pushed:
        return digest
    start = f"{_base(url)}/v2/{repository}/blobs/uploads/"
    location = _send(url, "POST", start, auth).get("location", "")
    parts = urlsplit(location)
    query = "&".join(filter(None, (parts.query, urlencode({"digest": digest}))))
    headers = {"Content-Type": "application/octet-stream"}
    _send(url, "PUT", f"{parts.path}?{query}", auth, content, headers)
    _pushed.add(key)
    return digest


def push_manifest(
    url: str, repository: str, reference: str, content: bytes, media_type: str, auth: Auth | None = None
) -> str:
    """Puts the manifest under a tag or digest. Returns the digest of its bytes."""
    path = f"{_base(url)}/v2/{repository}/manifests/{reference}"
    _send(url, "PUT", path, auth, content, {"Content-Type": media_type})
    return digest_of(content)


def push(url: str, repository: str, reference: str | None, sample: Sample, auth: Auth | None = None) -> str:
    """Pushes blobs, children and manifest; under its digest where `reference` is None."""
    for child in sample.children:
        push(url, repository, None, child, auth)
    target = reference or sample.digest
    for attempt in (1, 2):
        for blob in sample.blobs:
            push_blob(url, repository, blob, auth)
        try:
            return push_manifest(url, repository, target, sample.manifest, sample.media_type, auth)
        except PushError:
            # Another registry on the same port, perhaps: what we sent before went elsewhere.
            if attempt == 2:
                raise
            _pushed.difference_update([(url, repository, digest_of(blob)) for blob in sample.blobs])
    return target


def push_image(
    url: str, repository: str, tag: str | None, auth: Auth | None = None, **options: Unpack[ImageOptions]
) -> Sample:
    """Makes an image and pushes it."""
    sample = make_image(**options)
    push(url, repository, tag, sample, auth)
    return sample


def push_index(
    url: str,
    repository: str,
    tag: str | None,
    children: Sequence[Sample | tuple[Sample, Mapping[str, Any]]],
    auth: Auth | None = None,
) -> Sample:
    """Makes an index of `children` and pushes it with them."""
    sample = make_index(children)
    push(url, repository, tag, sample, auth)
    return sample


def push_many(
    url: str, things: Iterable[tuple[str, str | None, Sample]], auth: Auth | None = None, *, threads: int = 4
) -> int:
    """Pushes (repository, tag, sample) triples side by side. Returns how many there were."""
    with ThreadPoolExecutor(threads) as pool:
        return len(list(pool.map(lambda thing: push(url, thing[0], thing[1], thing[2], auth), things)))


def delete_manifest(url: str, repository: str, digest: str, auth: Auth | None = None) -> None:
    _send(url, "DELETE", f"{_base(url)}/v2/{repository}/manifests/{digest}", auth)


def _base(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


_FINE: Final = (200, 201, 202, 204)


def _send(
    url: str,
    method: str,
    target: str,
    auth: Auth | None,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    sent = {"User-Agent": "kubedash-samples", "Content-Length": str(len(body)), **(headers or {})}
    if auth:
        sent["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    for attempt in (1, 2):
        try:
            with _connection(url) as connection:
                connection.request(method, target, body, sent)
                answer = connection.getresponse()
                content = answer.read()
            break
        except (OSError, http.client.HTTPException):
            # The registry may have closed a kept connection, or was restarted.
            if attempt == 2:
                raise
    if answer.status not in _FINE:
        raise PushError(f"{method} {target}: {answer.status} {content[:500]!r}")
    return {name.lower(): value for name, value in answer.getheaders()}


@contextmanager
def _connection(url: str) -> Iterator[http.client.HTTPConnection]:
    """A connection nobody else uses, kept for the next one; closed when something failed."""
    parts = urlsplit(url)
    kept = _idle.setdefault(parts.netloc, [])
    try:
        connection = kept.pop()
    except IndexError:
        connection = _connect(parts.scheme, parts.netloc)
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
    kept.append(connection)


def _connect(scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(netloc, timeout=30, context=_contexts.get(netloc))
    return http.client.HTTPConnection(netloc, timeout=30)


@atexit.register
def _close_all() -> None:
    for connections in _idle.values():
        while connections:
            connections.pop().close()
