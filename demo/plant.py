"""Writes samples straight into a docker-registry's storage folder.

For thousands of tags or repositories, where pushing would take minutes. The layout is
that of distribution's filesystem driver (registry/storage/paths.go). The registry reads
it without a restart; only what it remembers of blobs it looked for in vain is stale.
"""

from __future__ import annotations

import os
from pathlib import Path

from demo.push import Sample, digest_of


class Planter:
    """Plants into `RegistryProcess.storage`; one object per storage, so that blobs are written once."""

    def __init__(self, storage: Path | str) -> None:
        self._root = Path(storage) / "docker" / "registry" / "v2"
        self._written: set[str] = set()
        self._folders: set[str] = set()

    def plant(self, repository: str, tag: str | None, sample: Sample) -> str:
        """As `demo.push.push` would have left it. Returns the digest."""
        for child in sample.children:
            self.plant(repository, None, child)
        for blob in sample.blobs:
            digest = self._blob(blob)
            self._link(f"repositories/{repository}/_layers/{_slashed(digest)}/link", digest)
        digest = self._blob(sample.manifest)
        manifests = f"repositories/{repository}/_manifests"
        self._link(f"{manifests}/revisions/{_slashed(digest)}/link", digest)
        if tag is not None:
            self._link(f"{manifests}/tags/{tag}/current/link", digest)
            self._link(f"{manifests}/tags/{tag}/index/{_slashed(digest)}/link", digest)
        return digest

    def empty_repository(self, repository: str) -> None:
        """A repository whose tags were all deleted: listed in the catalog, `"tags": null`."""
        self._folder(f"{self._root}/repositories/{repository}/_layers")
        self._folder(f"{self._root}/repositories/{repository}/_manifests/tags")

    def _blob(self, content: bytes) -> str:
        digest = digest_of(content)
        algorithm, _, encoded = digest.partition(":")
        self._write(f"blobs/{algorithm}/{encoded[:2]}/{encoded}/data", content)
        return digest

    def _link(self, path: str, digest: str) -> None:
        self._write(path, digest.encode())

    def _write(self, path: str, content: bytes) -> None:
        # A tag's link may move; everything else is content-addressed and written once.
        if path in self._written and not path.endswith("/current/link"):
            return
        full = f"{self._root}/{path}"
        self._folder(full.rpartition("/")[0])
        with open(full, "wb") as file:
            file.write(content)
        self._written.add(path)

    def _folder(self, path: str) -> None:
        if path not in self._folders:
            os.makedirs(path, exist_ok=True)
            self._folders.add(path)


def _slashed(digest: str) -> str:
    return digest.replace(":", "/")
