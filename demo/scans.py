"""What a vulnerability scanner wrote about an image, in Trivy's words.

The findings are real ones of the package versions that the sample images pretend to
hold. `cosign_vuln` is the form that `trivy image --format cosign-vuln` prints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from demo.push import Sample

SCANNED: Final = "2026-11-17T11:45:03.118263Z"
_VERSION: Final = "0.67.2"


class Finding(NamedTuple):
    """One vulnerability in one package."""

    id: str
    package: str
    installed: str
    fixed: str
    severity: str
    score: float
    title: str


_SYSTEM: Final = (
    Finding("CVE-2023-38545", "curl", "7.88.1-10+deb12u3", "7.88.1-10+deb12u4", "CRITICAL", 9.8,
            "curl: heap based buffer overflow in the SOCKS5 proxy handshake"),
    Finding("CVE-2023-4863", "libwebp7", "1.2.4-0.2", "1.2.4-0.2+deb12u1", "HIGH", 8.8,
            "libwebp: heap buffer overflow in WebP codec"),
    Finding("CVE-2023-45853", "zlib1g", "1:1.2.13.dfsg-1", "", "CRITICAL", 9.8,
            "zlib: integer overflow and resultant heap-based buffer overflow in zipOpenNewFileInZip4_6"),
    Finding("CVE-2023-5678", "libssl3", "3.0.11-1~deb12u1", "3.0.13-1~deb12u1", "MEDIUM", 5.3,
            "openssl: generating or checking long X9.42 DH keys is very slow"),
    Finding("CVE-2023-52425", "libexpat1", "2.5.0-1", "2.5.0-1+deb12u1", "HIGH", 7.5,
            "expat: parsing large tokens can trigger a denial of service"),
)  # fmt: skip
_PYTHON: Final = (
    Finding("CVE-2023-32681", "requests", "2.30.0", "2.31.0", "MEDIUM", 6.1,
            "python-requests: unintended leak of Proxy-Authorization header"),
    Finding("CVE-2023-43804", "urllib3", "2.0.4", "2.0.6, 1.26.17", "HIGH", 8.1,
            "python-urllib3: Cookie request header is not stripped during cross-origin redirects"),
    Finding("CVE-2023-46136", "werkzeug", "3.0.0", "3.0.1, 2.3.8", "HIGH", 7.5,
            "python-werkzeug: high resource consumption leading to denial of service"),
)  # fmt: skip


def trivy_report(subject: Sample, name: str) -> dict[str, Any]:
    """Trivy's JSON report, schema version 2."""
    return {
        "SchemaVersion": 2,
        "CreatedAt": SCANNED,
        "ArtifactName": name,
        "ArtifactType": "container_image",
        "Metadata": {
            "OS": {"Family": "debian", "Name": "12.2"},
            "RepoDigests": [f"{name.partition(':')[0]}@{subject.digest}"],
        },
        "Results": [
            _result(f"{name} (debian 12.2)", "os-pkgs", "debian", _SYSTEM),
            _result("Python", "lang-pkgs", "python-pkg", _PYTHON),
        ],
    }


def _result(target: str, group: str, kind: str, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "Target": target,
        "Class": group,
        "Type": kind,
        "Vulnerabilities": [_vulnerability(kind, finding) for finding in findings],
    }


def _vulnerability(kind: str, finding: Finding) -> dict[str, Any]:
    purl = (
        f"pkg:deb/debian/{finding.package}@{finding.installed}"
        if kind == "debian"
        else (f"pkg:pypi/{finding.package}@{finding.installed}")
    )
    entry = {
        "VulnerabilityID": finding.id,
        "PkgName": finding.package,
        "PkgIdentifier": {"PURL": purl},
        "InstalledVersion": finding.installed,
        "Status": "fixed" if finding.fixed else "will_not_fix",
        "SeveritySource": "nvd",
        "PrimaryURL": f"https://avd.aquasec.com/nvd/{finding.id.lower()}",
        "Title": finding.title,
        "Severity": finding.severity,
        "CVSS": {"nvd": {"V3Score": finding.score}},
    }
    return entry | ({"FixedVersion": finding.fixed} if finding.fixed else {})


def cosign_vuln(subject: Sample, name: str) -> bytes:
    """The predicate alone, without an envelope, as Trivy prints it."""
    document = {
        "invocation": {"parameters": None, "uri": "", "event_id": "", "builder.id": ""},
        "scanner": {
            "uri": f"pkg:github/aquasecurity/trivy@{_VERSION}",
            "version": _VERSION,
            "db": {"uri": "", "version": ""},
            "result": trivy_report(subject, name),
        },
        "metadata": {"scanStartedOn": SCANNED, "scanFinishedOn": SCANNED},
    }
    return json.dumps(document, indent=2).encode()


def provenance(subject_name: str, revision: str) -> dict[str, Any]:
    """SLSA provenance 1.0 as BuildKit writes it."""
    return {
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": {
                    "uri": f"https://git.example.com/{subject_name}.git#refs/heads/main",
                    "digest": {"sha1": revision},
                    "path": "Dockerfile",
                },
                "request": {"frontend": "dockerfile.v0", "args": {"target": "release"}},
            },
            "internalParameters": {"builderPlatform": "linux/amd64"},
            "resolvedDependencies": [
                {"uri": "pkg:docker/debian@bookworm-slim", "digest": {"sha256": "5" * 64}},
            ],
        },
        "runDetails": {
            "builder": {"id": "https://ci.example.com/runs/4812"},
            "metadata": {
                "invocationId": "q5f0x2",
                "startedOn": "2026-11-17T09:21:40Z",
                "finishedOn": "2026-11-17T09:24:31Z",
            },
        },
    }
