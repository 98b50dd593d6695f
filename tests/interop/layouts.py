"""Images on disk, for the programs to push."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from demo.push import Sample, digest_of


def write_layout(sample: Sample, folder: Path, tag: str = "latest") -> Path:
    """An OCI layout with an image or an index under a name."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    _write_blobs(sample, blobs)
    named = sample.descriptor(annotations={"org.opencontainers.image.ref.name": tag})
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return folder


def tarball(files: dict[str, str]) -> bytes:
    """A layer that is not compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _write_blobs(sample: Sample, blobs: Path) -> None:
    for content in (*sample.blobs, sample.manifest):
        (blobs / digest_of(content).removeprefix("sha256:")).write_bytes(content)
    for child in sample.children:
        _write_blobs(child, blobs)
