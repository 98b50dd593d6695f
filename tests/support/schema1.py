"""Signed schema 1 manifests, as docker made them before 2016 (libtrust's pretty signatures)."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from demo.push import digest_of, make_layer

_TAIL = "\n}"


def make_schema1(
    repository: str, tag: str, layers: tuple[bytes, ...] = (), env: tuple[str, ...] = ()
) -> tuple[bytes, str, tuple[bytes, ...]]:
    """The signed manifest, the digest of its payload, and its layers; the base layer comes last."""
    layers = layers or (make_layer({"top": "top"}), make_layer({"base": "base"}))
    steps: list[dict[str, object]] = [
        {"id": f"{number:064x}", "created": "2015-10-31T22:22:55Z", "architecture": "amd64", "os": "linux"}
        | ({"parent": f"{number - 1:064x}"} if number else {"container_config": {"Cmd": ["/bin/sh"]}})
        for number in reversed(range(len(layers)))
    ]
    if env:
        steps[0]["config"] = {"Env": list(env)}
    payload = json.dumps(
        {
            "schemaVersion": 1,
            "name": repository,
            "tag": tag,
            "architecture": "amd64",
            "fsLayers": [{"blobSum": digest_of(layer)} for layer in layers],
            "history": [{"v1Compatibility": json.dumps(step)} for step in steps],
        },
        indent=3,
    )
    return _sign(payload), digest_of(payload.encode()), layers


def _sign(payload: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    length = len(payload) - len(_TAIL)
    protected = _encode(json.dumps({"formatLength": length, "formatTail": _encode(_TAIL.encode())}).encode())
    signed = f"{protected}.{_encode(payload.encode())}".encode()
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = {
        "header": {"jwk": _public(key.public_key()), "alg": "ES256"},
        "signature": _encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        "protected": protected,
    }
    indented = json.dumps([signature], indent=3).replace("\n", "\n   ")
    return f'{payload[:length]},\n   "signatures": {indented}{_TAIL}'.encode()


def _public(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    name = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return {
        "crv": "P-256",
        "kid": ":".join(name[start : start + 4] for start in range(0, 48, 4)),
        "kty": "EC",
        "x": _encode(numbers.x.to_bytes(32, "big")),
        "y": _encode(numbers.y.to_bytes(32, "big")),
    }


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
