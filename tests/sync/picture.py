"""What the index says, without the moments at which it learned it: for comparing two indexes."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

QUERIES = {
    "registries": "SELECT name, status, repository_count, tag_count, size FROM registry",
    "repositories": """
        SELECT name, kind, tag_count, newest_tag, size, sync_error, gone_since IS NULL, lease_owner FROM repository""",
    "tags": """
        SELECT repository.name, tag.name, tag.digest, tag.kind, tag.size, tag.created, tag.machine, tag.subject
        FROM tag JOIN repository ON repository.id = tag.repository_id""",
    "history": """
        SELECT repository.name, tag_history.name, tag_history.digest, tag_history.until IS NULL
        FROM tag_history JOIN repository ON repository.id = tag_history.repository_id""",
    "manifests": """
        SELECT repository.name, manifest.digest, manifest.kind, manifest.size, manifest.created, manifest.platform,
               manifest.raw, manifest.config_raw, manifest.subject, manifest.problem
        FROM repository_manifest
        JOIN repository ON repository.id = repository_manifest.repository_id
        JOIN manifest ON manifest.id = repository_manifest.manifest_id""",
    "children": """
        SELECT manifest.digest, position, manifest_child.digest, manifest_child.platform, attests
        FROM manifest_child JOIN manifest ON manifest.id = manifest_child.manifest_id""",
    "blobs": """
        SELECT manifest.digest, position, blob.digest, blob.size FROM manifest_blob
        JOIN manifest ON manifest.id = manifest_blob.manifest_id JOIN blob ON blob.id = manifest_blob.blob_id""",
    "labels": """
        SELECT manifest.digest, position, key, value FROM label JOIN manifest ON manifest.id = label.manifest_id""",
    "referrers": """
        SELECT repository.name, referrer.subject, attached_by, digest, referrer.kind
        FROM referrer JOIN repository ON repository.id = referrer.repository_id""",
    "missing": """
        SELECT repository.name, digest FROM missing_manifest
        JOIN repository ON repository.id = missing_manifest.repository_id""",
}


def picture(folder: Path) -> dict[str, list[Any]]:
    """Every row of the index in `folder`, sorted."""
    connection = sqlite3.connect(folder / "kubedash.sqlite")
    try:
        return {name: sorted(connection.execute(query), key=repr) for name, query in QUERIES.items()}
    finally:
        connection.close()


def jobs(folder: Path) -> list[tuple[str, str]]:
    """Kind and state of every job that the engine keeps."""
    connection = sqlite3.connect(folder / "jobs.sqlite")
    try:
        return sorted(connection.execute("SELECT name, status FROM workflow_status"))
    finally:
        connection.close()
