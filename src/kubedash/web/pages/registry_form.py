"""The form of a registry: what was sent, and the settings and secrets it stands for. Pure but for reading the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from litestar.datastructures import UploadFile

from kubedash.errors import InvalidInput
from kubedash.oci.reference import RepositoryName
from kubedash.records import RegistrySecrets, RegistrySettings
from kubedash.web.rendering import HtmlRequest

MAX_UPLOAD: Final = 1_000_000
ENCRYPTION: Final = (
    ("auto", "https, else http"),
    ("https", "https"),
    ("http", "http: not encrypted"),
)
_SCHEME: Final = re.compile(r"^(https?)://", re.IGNORECASE)


class FormValues(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as text, so that a refused form comes back as it was. Secrets are never among them."""

    name: str = ""
    title: str = ""
    url: str = ""
    encryption: str = "auto"
    username: str = ""
    tls_verify: bool = True
    ca_pem: str = ""
    client_certificate_pem: str = ""
    proxy: str = ""
    pull_host: str = ""
    repositories: str = ""
    protected_tags: str = ""
    untested: bool = False
    """Save even where the test fails."""


class SentSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """Empty fields keep what is stored; a tick removes it."""

    password: str = ""
    remove_password: bool = False
    client_key_pem: str = ""
    remove_client_key: bool = False
    docker_config: bytes = b""

    def __repr__(self) -> str:
        return "SentSecrets(…)"

    @property
    def touches(self) -> bool:
        return bool(
            self.password
            or self.remove_password
            or self.client_key_pem.strip()
            or self.remove_client_key
            or self.docker_config
        )


class SentForm(msgspec.Struct, frozen=True):
    """A whole submission."""

    values: FormValues
    secrets: SentSecrets
    action: str
    """`save` or `test`."""


async def read_form(request: HtmlRequest) -> SentForm:
    """Raises `InvalidInput` where an upload is too long."""
    form = await request.form()
    text = {key: value for key, value in form.items() if isinstance(value, str)}
    values = {
        field: text.get(field, "") for field in FormValues.__struct_fields__ if field not in ("tls_verify", "untested")
    }
    return SentForm(
        FormValues(**values, tls_verify="insecure" not in text, untested="untested" in text),
        SentSecrets(
            password=text.get("password", ""),
            remove_password="remove_password" in text,
            client_key_pem=text.get("client_key_pem", ""),
            remove_client_key="remove_client_key" in text,
            docker_config=await _upload(form),
        ),
        "test" if text.get("action") == "test" else "save",
    )


async def _upload(form: Mapping[str, Any]) -> bytes:
    sent = form.get("docker_config")
    if not isinstance(sent, UploadFile):
        return b""
    content = await sent.read(MAX_UPLOAD + 1)
    if len(content) > MAX_UPLOAD:
        raise InvalidInput("The file is too long.", fields={"docker_config": "At most 1 MB."})
    return content


def values_of(settings: RegistrySettings) -> FormValues:
    """The form for settings that exist."""
    scheme = urlsplit(settings.url).scheme
    return FormValues(
        name=settings.name,
        title=settings.title,
        url=_SCHEME.sub("", settings.url),
        encryption=scheme if scheme in ("http", "https") else "auto",
        username=settings.username or "",
        tls_verify=settings.tls_verify,
        ca_pem=settings.ca_pem or "",
        client_certificate_pem=settings.client_certificate_pem or "",
        proxy=settings.proxy or "",
        pull_host=settings.pull_host or "",
        repositories="\n".join(settings.repositories),
        protected_tags="\n".join(settings.protected_tags),
    )


def settings_of(values: FormValues) -> RegistrySettings:
    """Not checked yet: that is the workflow's work."""
    return RegistrySettings(
        name=values.name,
        title=values.title,
        url=address_of(values),
        username=values.username or None,
        tls_verify=values.tls_verify,
        ca_pem=values.ca_pem or None,
        client_certificate_pem=values.client_certificate_pem or None,
        proxy=values.proxy or None,
        pull_host=values.pull_host or None,
        repositories=tuple(map(RepositoryName, _words(values.repositories))),
        protected_tags=tuple(_words(values.protected_tags)),
    )


def address_of(values: FormValues) -> str:
    """A choice of encryption counts more than a scheme in the address."""
    address = values.url.strip()
    if values.encryption not in ("http", "https") or not address:
        return address
    return f"{values.encryption}://{_SCHEME.sub('', address)}"


def secrets_of(sent: SentSecrets, stored: RegistrySecrets) -> RegistrySecrets:
    """What is stored, with what was sent in its place."""
    password, identity, registry = stored.password, stored.identity_token, stored.registry_token
    if sent.remove_password or sent.password:
        password, identity, registry = sent.password or None, None, None
    key = None if sent.remove_client_key else stored.client_key_pem
    return RegistrySecrets(
        password=password,
        identity_token=identity,
        registry_token=registry,
        client_key_pem=sent.client_key_pem.strip() or key,
    )


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]
