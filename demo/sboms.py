"""Bills of materials of the sample images: by the real syft where it is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from demo.push import Sample, digest_of
from demo.rootfs import DEBIAN_PACKAGES, PYTHON_PACKAGES

CYCLONEDX: Final = "application/vnd.cyclonedx+json"
SPDX: Final = "application/spdx+json"
_SYFT_FORMATS: Final = {CYCLONEDX: "cyclonedx-json", SPDX: "spdx-json"}
_SECONDS: Final = 120


def syft() -> Path | None:
    """The program beside this interpreter, or None."""
    program = Path(sys.executable).parent / "syft"
    return program if program.exists() else None


def describe(image: Sample, name: str, formats: tuple[str, ...] = (CYCLONEDX, SPDX)) -> dict[str, bytes]:
    """Media type → document about a single-platform image."""
    program = syft()
    if program is None:
        return {kind: _small(kind, name) for kind in formats}
    with tempfile.TemporaryDirectory() as folder:
        layout = Path(folder) / "image"
        write_layout(image, layout)
        outputs = {kind: Path(folder) / _SYFT_FORMATS[kind] for kind in formats}
        asked = [str(program), "scan", f"oci-dir:{layout}", "--quiet", "--source-name", name]
        for kind, path in outputs.items():
            asked += ["--output", f"{_SYFT_FORMATS[kind]}={path}"]
        environment = {"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": folder, "PATH": "/usr/bin:/bin"}
        subprocess.run(asked, check=True, env=environment, timeout=_SECONDS, stdout=subprocess.DEVNULL)
        return {kind: path.read_bytes() for kind, path in outputs.items()}


def write_layout(image: Sample, folder: Path) -> None:
    """The image as an OCI layout, which scanners and skopeo read."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (*image.blobs, image.manifest):
        (blobs / digest_of(content).removeprefix("sha256:")).write_bytes(content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [image.descriptor()]}))


def _small(kind: str, name: str) -> bytes:
    """A document of our own, with fewer facts than a scanner finds."""
    build = _small_cyclonedx if kind == CYCLONEDX else _small_spdx
    return json.dumps(build(name, _packages()), indent=2).encode()


def _packages() -> list[tuple[str, str, str]]:
    """Name, version, purl."""
    debian = [(name, version, f"pkg:deb/debian/{name}@{version}") for name, version, _ in DEBIAN_PACKAGES]
    return debian + [(name, version, f"pkg:pypi/{name}@{version}") for name, version, _ in PYTHON_PACKAGES]


def _small_cyclonedx(name: str, packages: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name}},
        "components": [
            {"type": "library", "bom-ref": purl, "name": package, "version": version, "purl": purl}
            for package, version, purl in packages
        ],
    }


def _small_spdx(name: str, packages: list[tuple[str, str, str]]) -> dict[str, Any]:
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"https://example.com/spdx/{name}",
        "creationInfo": {"created": "2026-11-17T11:45:03Z", "creators": ["Tool: kubedash-demo"]},
        "packages": [
            {
                "SPDXID": f"SPDXRef-Package-{number}",
                "name": package,
                "versionInfo": version,
                "downloadLocation": "NOASSERTION",
                "externalRefs": [
                    {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
                ],
            }
            for number, (package, version, purl) in enumerate(packages)
        ],
    }
