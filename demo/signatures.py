"""Signatures as cosign stores them, made with a key of our own.

cosign 2 puts a signed payload under the tag `sha256-<hex>.sig`; cosign 3 pushes a
bundle as a referrer, which a registry without the referrers API lists under the
fallback tag `sha256-<hex>`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from demo.push import OCI_CONFIG, Sample, digest_of, encode, make_artifact, make_index

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
_SIGNED_AT: Final = "2026-11-17T09:31:08Z"


class SigningKey:
    """An ECDSA key on P-256, as `cosign generate-key-pair` makes one."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, content: bytes) -> str:
        """Base64 of the DER signature over SHA-256 of `content`."""
        return base64.b64encode(self._key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()

    @property
    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def hint(self) -> str:
        """How a bundle names the key: base64 of the digest of its DER form."""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(bytes.fromhex(digest_of(der).removeprefix("sha256:"))).decode()

    def save_public(self, path: Path) -> None:
        path.write_bytes(self.public_pem)


def attachment_tag(subject: Sample, suffix: str = "") -> str:
    """`sha256-<hex>` and a suffix such as `.sig`."""
    return subject.digest.replace(":", "-") + suffix


def simple_signature(key: SigningKey, subject: Sample, name: str) -> Sample:
    """The manifest that belongs under the `.sig` tag of `subject`."""
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": subject.digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        },
        separators=(",", ":"),
    ).encode()
    layer = (SIMPLE_SIGNING, payload, {"dev.cosignproject.cosign/signature": key.sign(payload)})
    return make_artifact([layer], config=(OCI_CONFIG, _image_like_config(payload)))


def _image_like_config(*layers: bytes) -> bytes:
    """cosign's manifests carry an image config that says nothing."""
    return encode(
        {
            "architecture": "",
            "created": "0001-01-01T00:00:00Z",
            "history": [{"created": "0001-01-01T00:00:00Z"}],
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            "config": {},
        }
    )


def attached_document(content: bytes, media_type: str) -> Sample:
    """What `cosign attach sbom` leaves under the `.sbom` tag: one layer, sent as it was."""
    return make_artifact([(media_type, content)], config=(OCI_CONFIG, _image_like_config(content)))


def statement(subject: Sample, name: str, predicate_type: str, predicate: Any) -> bytes:
    """An in-toto statement about `subject`."""
    document = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": subject.digest.removeprefix("sha256:")}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    return json.dumps(document).encode()


def bundle(key: SigningKey, subject: Sample, name: str) -> Sample:
    """cosign 3's signature: a DSSE envelope in a bundle, pushed as a referrer of `subject`."""
    predicate_type = "https://sigstore.dev/cosign/sign/v1"
    payload = statement(subject, name, predicate_type, {})
    signed = b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)
    content = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.hint}},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": _PAYLOAD_TYPE,
            "signatures": [{"sig": key.sign(signed)}],
        },
    }
    return make_artifact(
        [(BUNDLE, json.dumps(content).encode())],
        artifact_type=BUNDLE,
        subject=subject,
        annotations={
            "org.opencontainers.image.created": _SIGNED_AT,
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicate_type,
        },
    )


def referrers_index(referrers: Sequence[Sample]) -> Sample:
    """The index that belongs under the fallback tag of the referrers' subject."""
    entries: list[tuple[Sample, dict[str, Any]]] = []
    for referrer in referrers:
        manifest = json.loads(referrer.manifest)
        more = {"artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"]}
        entries.append((referrer, more | {"annotations": manifest.get("annotations", {})}))
    return make_index(entries)
