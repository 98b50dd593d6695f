"""A real registry behind a password with a little of everything, for tests of the outer layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from demo.push import make_artifact, make_image, push, push_image, push_index
from demo.registry_process import RegistryProcess

USER: Final = "robot"
REGISTRY_PASSWORD: Final = 'pa:ss "wörd"/%'
AUTH: Final = (USER, REGISTRY_PASSWORD)
SINGLE: Final = "library/single"
MULTI: Final = "team/app/multi"
PLATFORMS: Final = ("linux/amd64", "linux/arm64")
VERSIONS: Final = ("1.0", "1.2", "1.10")
SECRET_VALUE: Final = "do-not-show-this-value"


@contextmanager
def small_registry(folder: Path) -> Iterator[RegistryProcess]:
    """Three versions of a single image with `latest` on the last, and an index with an SBOM attached."""
    with RegistryProcess(folder, htpasswd={USER: REGISTRY_PASSWORD}) as registry:
        fill(registry.url)
        yield registry


def fill(url: str) -> None:
    for tag, version in (*((version, version) for version in VERSIONS), ("latest", VERSIONS[-1])):
        push_image(
            url,
            SINGLE,
            tag,
            AUTH,
            config={
                "Entrypoint": ["/bin/single"],
                "Cmd": ["--serve"],
                "Env": ["PATH=/bin", f"DB_PASSWORD={SECRET_VALUE}"],
                "WorkingDir": "/srv",
                "User": "1000",
                "ExposedPorts": {"8080/tcp": {}},
                "Volumes": {"/data": {}},
            },
            labels={"org.opencontainers.image.version": version, "org.opencontainers.image.title": "Single"},
        )
    index = push_index(url, MULTI, "2.0", [make_image(platform=platform) for platform in PLATFORMS], AUTH)
    sbom = make_artifact([("text/spdx", b"SPDXVersion: SPDX-2.3\n")])
    push(url, MULTI, f"{index.digest.replace(':', '-')}.sbom", sbom, AUTH)
