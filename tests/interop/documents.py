"""Small documents for the programs to attach."""

from __future__ import annotations

import json
from typing import Final

CYCLONEDX: Final = json.dumps(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [{"type": "library", "name": "zlib", "version": "1.3", "purl": "pkg:generic/zlib@1.3"}],
    }
)
SPDX: Final = json.dumps(
    {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "sample",
        "documentNamespace": "https://example.com/spdx/sample",
        "creationInfo": {"created": "2026-01-02T03:04:05Z", "creators": ["Tool: sample"]},
        "packages": [],
    }
)
VULNERABILITIES: Final = json.dumps(
    {
        "invocation": {"uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": "https://example.com/scanner",
            "version": "1",
            "db": {"uri": "", "version": ""},
            "result": {},
        },
        "metadata": {"scanStartedOn": "2026-01-02T03:04:05Z", "scanFinishedOn": "2026-01-02T03:04:06Z"},
    }
)
