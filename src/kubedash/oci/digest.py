"""Content digests (OCI image-spec, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Self

from kubedash.errors import InvalidInput

_GRAMMAR: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}")
_HEX_LENGTH: Final = {"sha256": 64, "sha384": 96, "sha512": 128, "blake3": 64}
_MAX_LENGTH: Final = 255
SHORT_LENGTH: Final = 12


class Digest(str):
    """`algorithm:encoded`, checked against the grammar of the image-spec.

    Unregistered algorithms are accepted for display; only the registered ones can
    be verified. A plain `str` for storage and JSON, so nothing has to convert it.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `InvalidInput` unless `text` is a digest of the right length."""
        if _SHA256.fullmatch(text):
            return cls(text)
        if len(text) > _MAX_LENGTH or not _GRAMMAR.fullmatch(text):
            raise InvalidInput(f"not a digest: {text[:80]!r}", hint="a digest looks like sha256:<64 hex digits>")
        algorithm, _, encoded = text.partition(":")
        length = _HEX_LENGTH.get(algorithm)
        if length is not None and not (len(encoded) == length and re.fullmatch("[0-9a-f]+", encoded)):
            raise InvalidInput(
                f"not a {algorithm} digest: {text[:80]!r}", hint=f"it needs {length} lower-case hex digits"
            )
        return cls(text)

    @classmethod
    def try_parse(cls, text: str | None) -> Self | None:
        """The digest, or None where the text is missing or malformed."""
        if not text:
            return None
        if _SHA256.fullmatch(text):
            return cls(text)
        try:
            return cls.parse(text)
        except InvalidInput:
            return None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The sha256 digest of `content`."""
        return cls(f"sha256:{hashlib.sha256(content).hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """`sha256:4c0fdaa8b634`: enough to recognise, not enough to rely on."""
        return f"{self.algorithm}:{self.encoded[:SHORT_LENGTH]}"

    @property
    def verifiable(self) -> bool:
        return self.algorithm in ("sha256", "sha384", "sha512")

    def matches(self, content: bytes) -> bool:
        """Whether `content` hashes to this digest; False for unknown algorithms."""
        return self.verifiable and hashlib.new(self.algorithm, content).hexdigest() == self.encoded

    def checker(self) -> Checker:
        """For content that comes piece by piece. Raises `ValueError` unless the digest is `verifiable`."""
        if not self.verifiable:
            raise ValueError(f"{self.algorithm} cannot be computed here")
        return Checker(self)


class Checker:
    """Takes content piece by piece and says whether all of it hashes to the digest."""

    def __init__(self, digest: Digest) -> None:
        self._expected = digest.encoded
        self._sum = hashlib.new(digest.algorithm)
        self.size = 0

    def take(self, piece: bytes) -> None:
        self._sum.update(piece)
        self.size += len(piece)

    def matches(self) -> bool:
        return self._sum.hexdigest() == self._expected

    @property
    def found(self) -> str:
        """The digest of what was taken."""
        return f"{self._sum.name}:{self._sum.hexdigest()}"


EMPTY_JSON: Final = Digest("sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
"""The digest of `{}`, the empty descriptor's content (image-spec, manifest.md)."""
