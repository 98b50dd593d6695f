"""The sample images of the demo, each showing something that registries really hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from demo.push import OCI_CONFIG, Sample, encode, make_artifact, make_image, make_index, make_layer
from demo.rootfs import application, debian_base, node_packages, noise, python_packages

CREATED: Final = "2026-11-17T09:24:31.104Z"
REVISION: Final = "7f3c2a91d0b85e64c1f7a2d93e5b806c4d1a9f02"
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7")
IN_TOTO: Final = "application/vnd.in-toto+json"


def step(created_by: str, *, empty: bool = False, comment: str | None = "buildkit.dockerfile.v0") -> dict[str, Any]:
    """One entry of an image's history."""
    entry: dict[str, Any] = {"created": CREATED, "created_by": created_by}
    return entry | ({"comment": comment} if comment else {}) | ({"empty_layer": True} if empty else {})


_BASE_STEPS: Final = (
    step("# debian.sh --arch 'amd64' out/ 'bookworm' '@1700438400'", comment="debuerreotype 0.15"),
    step("ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", empty=True),
)


def checkout_api(version: str = "2.8.1") -> Sample:
    """A service with both label families, a full runtime configuration and paired history."""
    layers = (debian_base("linux/amd64"), python_packages(), application("checkout-api", version, 180_000))
    history = (
        *_BASE_STEPS,
        step("RUN /bin/sh -c pip install --no-cache-dir -r requirements.txt # buildkit"),
        step("WORKDIR /app", empty=True),
        step("COPY . /app # buildkit"),
        step("USER app", empty=True),
        step("EXPOSE map[8000/tcp:{}]", empty=True),
        step(
            'HEALTHCHECK &{["CMD-SHELL" "curl -fsS http://127.0.0.1:8000/healthz"] "30s" "3s" "10s" \'\\x03\'}',
            empty=True,
        ),
        step('ENTRYPOINT ["python3.11" "-m" "checkout"]', empty=True),
        step('CMD ["--bind" "0.0.0.0:8000"]', empty=True),
    )
    return make_image(
        layers=layers,
        history=history,
        created=CREATED,
        config=_runtime(),
        labels=_labels(version),
        annotations={
            "org.opencontainers.image.created": CREATED,
            "org.opencontainers.image.revision": REVISION,
            "org.opencontainers.image.version": version,
        },
    )


def _runtime() -> dict[str, Any]:
    second = 1_000_000_000
    return {
        "User": "app",
        "WorkingDir": "/app",
        "Entrypoint": ["python3.11", "-m", "checkout"],
        "Cmd": ["--bind", "0.0.0.0:8000"],
        "Env": [
            "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONUNBUFFERED=1",
            "CHECKOUT_DATABASE_HOST=database.internal",
            "CHECKOUT_DATABASE_PASSWORD=correct-horse-battery",
            "PAYMENT_API_KEY=sample-0123456789abcdef",
        ],
        "ExposedPorts": {"8000/tcp": {}, "9100/tcp": {}},
        "Volumes": {"/var/lib/checkout": {}},
        "Healthcheck": {
            "Test": ["CMD-SHELL", "curl -fsS http://127.0.0.1:8000/healthz"],
            "Interval": 30 * second,
            "Timeout": 3 * second,
            "StartPeriod": 10 * second,
            "Retries": 3,
        },
        "StopSignal": "SIGTERM",
    }


def _labels(version: str) -> dict[str, str]:
    return {
        "org.opencontainers.image.title": "Checkout API",
        "org.opencontainers.image.description": "Takes a cart and turns it into an order.",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.source": "https://git.example.com/shop/checkout",
        "org.opencontainers.image.documentation": "https://docs.example.com/shop/checkout",
        "org.opencontainers.image.vendor": "Example Shop",
        "org.label-schema.schema-version": "1.0",
        "org.label-schema.name": "checkout-api",
        "org.label-schema.version": version,
        "org.label-schema.vcs-url": "https://git.example.com/shop/checkout.git",
        "org.label-schema.vcs-ref": REVISION[:12],
        "org.label-schema.build-date": CREATED,
        "com.example.team": "payments",
    }


def storefront(version: str, statements: Mapping[str, Sequence[tuple[str, bytes]]] | None = None) -> Sample:
    """A multi-platform image as BuildKit pushes it: an attestation manifest beside each platform.

    `statements` gives, per platform, predicate type and in-toto statement.
    """
    children: list[Sample | tuple[Sample, Mapping[str, Any]]] = []
    attestations: list[tuple[Sample, Mapping[str, Any]]] = []
    for platform in PLATFORMS:
        image = storefront_platform(version, platform)
        children.append(image)
        found = (statements or {}).get(platform, ())
        if found:
            attestations.append(_attestation(image, found))
    return make_index(
        [*children, *attestations],
        annotations={
            "org.opencontainers.image.title": "Storefront",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.source": "https://git.example.com/shop/storefront",
        },
    )


def storefront_platform(version: str, platform: str) -> Sample:
    layers = (
        debian_base(platform, 1_100_000),
        node_packages(),
        application(f"storefront {platform}", version, 240_000),
    )
    history = (
        *_BASE_STEPS,
        step("RUN /bin/sh -c npm ci --omit=dev # buildkit"),
        step("COPY dist /app # buildkit"),
        step("EXPOSE map[3000/tcp:{}]", empty=True),
        step('CMD ["node" "/app/server.js"]', empty=True),
    )
    runtime = {"Cmd": ["node", "/app/server.js"], "ExposedPorts": {"3000/tcp": {}}, "Env": ["NODE_ENV=production"]}
    return make_image(platform=platform, layers=layers, history=history, created=CREATED, config=runtime)


def _attestation(image: Sample, statements: Sequence[tuple[str, bytes]]) -> tuple[Sample, Mapping[str, Any]]:
    layers = [(IN_TOTO, statement, {"in-toto.io/predicate-type": kind}) for kind, statement in statements]
    sample = make_artifact(
        layers,
        artifact_type="application/vnd.docker.attestation.manifest.v1+json",
        subject=image,
    )
    return sample, {
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest,
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    }


def billing() -> Sample:
    """An old image in Docker's schema 2, built by the classic builder."""
    layers = (debian_base("linux/amd64", 900_000), application("billing", "1.9.0", 320_000))
    history = (
        step("/bin/sh -c #(nop) ADD file:1c2d in / ", comment=None),
        step("/bin/sh -c #(nop)  ENV LANG=C.UTF-8", empty=True, comment=None),
        step("/bin/sh -c #(nop) COPY dir:9ab4 in /opt/billing ", comment=None),
        step('/bin/sh -c #(nop)  CMD ["/opt/billing/run"]', empty=True, comment=None),
    )
    extra = {"docker_version": "19.03.15", "container": "f" * 64, "author": "Billing team"}
    return make_image(
        layers=layers,
        history=history,
        created="2021-03-09T16:02:11.5Z",
        docker=True,
        config={"Cmd": ["/opt/billing/run"], "Env": ["LANG=C.UTF-8"], "Hostname": "f" * 12},
        labels={"org.label-schema.name": "billing", "org.label-schema.version": "1.9.0"},
        extra=extra,
    )


def bare() -> Sample:
    """An image whose configuration says nothing: every field that may be null is null."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": None,
        "author": None,
        "history": None,
        "config": dict.fromkeys(("Cmd", "Entrypoint", "Env", "Labels", "Volumes", "ExposedPorts", "OnBuild"), None),
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    layer = make_layer({"hello": "static binary\n"})
    return make_artifact([("application/vnd.oci.image.layer.v1.tar+gzip", layer)], config=(OCI_CONFIG, encode(config)))


def hostile() -> Sample:
    """Text that tries to break out of the page it is shown on."""
    script = "<script>alert('from a label')</script>"
    endless = "endless" * 40
    return make_image(
        layers=(make_layer({"readme": "harmless\n"}),),
        created=CREATED,
        history=(step(f"RUN echo {script}"), step("LABEL " + "x" * 4000, empty=True)),
        config={
            "Cmd": [script, endless],
            "Env": [f'GREETING="><img src=x onerror=alert(1)>{script}', f"{endless}=1"],
            "WorkingDir": f"/{endless}",
            "Volumes": {f"/{endless}": {}},
        },
        labels={
            "org.opencontainers.image.title": f"Nightly {script}",
            "org.opencontainers.image.url": "javascript:alert(document.cookie)",
            "org.opencontainers.image.source": 'https://git.example.com/" onmouseover="alert(1)',
            "org.opencontainers.image.description": "reversed \u202etxt.exe\u202c and back",
            "org.opencontainers.image.documentation": "data:text/html,<script>alert(1)</script>",
            "{{ 7 * 7 }}": "{% raw %}{{ 7 * 7 }}",
            "long": "word" * 900,
            endless: "a key that no column is wide enough for",
        },
    )


def files() -> Sample:
    """Plain files pushed as an artifact of a type of its own."""
    rows = b"sku,demand\n" + b"".join(b"%05d,%d\n" % (row, row * 37 % 991) for row in range(4000))
    layers: list[tuple[str, bytes, Mapping[str, str]]] = [
        ("text/csv", rows, {"org.opencontainers.image.title": "demand.csv"}),
        ("application/octet-stream", noise("model", 650_000), {"org.opencontainers.image.title": "forecast.bin"}),
        ("text/markdown", b"# Forecast\n\nTrained weekly.\n", {"org.opencontainers.image.title": "README.md"}),
    ]
    return make_artifact(
        layers,
        artifact_type="application/vnd.example.forecast.v2",
        config=("application/vnd.example.forecast.config.v2+json", json.dumps({"horizon_days": 28}).encode()),
        annotations={"org.opencontainers.image.created": CREATED, "org.opencontainers.image.title": "Demand forecast"},
    )
