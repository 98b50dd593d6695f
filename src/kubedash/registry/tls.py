"""Certificates: whom we trust and who we are."""

from __future__ import annotations

import ssl
from tempfile import NamedTemporaryFile

from kubedash.errors import InvalidInput
from kubedash.records import RegistryConnection


def make_context(connection: RegistryConnection, *, verify: bool = True, identify: bool = True) -> ssl.SSLContext:
    """The system's authorities and the registry's own; our certificate with `identify`.

    Raises `InvalidInput` when a certificate or key cannot be read.
    """
    settings = connection.settings
    context = ssl.create_default_context()
    if settings.ca_pem and settings.ca_pem.strip():
        try:
            context.load_verify_locations(cadata=settings.ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidInput(
                "The CA certificate cannot be read.",
                fields={"ca_pem": "not a PEM certificate"},
                hint="It begins with -----BEGIN CERTIFICATE-----.",
            ) from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identify and settings.client_certificate_pem:
        _identify(context, settings.client_certificate_pem, connection.secrets.client_key_pem)
    return context


def _identify(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    # OpenSSL reads key pairs from files alone; this one is ours only, and gone at once.
    with NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate.strip()}\n{(key or '').strip()}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidInput(
                "The client certificate and its key cannot be read or do not belong together.",
                fields={"client_certificate_pem": "not usable with the key"},
                hint="Both are PEM; the key must not be encrypted.",
            ) from error


def _no_password() -> str:
    """Keeps OpenSSL from asking on the terminal."""
    raise ValueError("the key is encrypted")
