"""Adding, editing, testing and removing a registry."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from msgspec.structs import replace

from kubedash.errors import Conflict, InvalidInput, KubedashError
from kubedash.policy import access
from kubedash.policy.access import Actor, Permission
from kubedash.records import Registry, RegistrySecrets, RegistrySettings
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.pages.registry_form import (
    ENCRYPTION,
    FormValues,
    SentForm,
    read_form,
    secrets_of,
    settings_of,
    values_of,
)
from kubedash.web.rendering import HtmlRequest, is_fragment, page, redirect, urls_of
from kubedash.workflows import registries
from kubedash.workflows.registries import CheckFailed, CheckReport
from kubedash.workflows.services import Services

SECTION: Final = "registries"
ADD_ACTION: Final = "/registries/new"


class RegistryFormView(msgspec.Struct, frozen=True, kw_only=True):
    registry: Registry | None
    """The one that is edited; None for a new one."""
    values: FormValues
    """The fields, as they were sent."""
    has_password: bool
    """A password or token is stored; it is never shown."""
    has_client_key: bool
    """A client key is stored; it is never shown."""
    encryption: tuple[tuple[str, str], ...] = ENCRYPTION
    """Choices for encryption."""
    errors: dict[str, str] = {}
    """What is wrong, by field."""
    problem: str | None = None
    """What is wrong with the whole."""
    hint: str | None = None
    """What to try."""
    report: CheckReport | None = None
    """What a test of the connection showed, step by step."""
    retype: bool = False
    """A password was typed and is not repeated here; it has to be typed again."""


class RemoveView(msgspec.Struct, frozen=True, kw_only=True):
    registry: Registry
    """The one that may go."""
    typed: str = ""
    """What was typed to confirm."""
    problem: str | None = None
    """Why it was not removed."""


@get("/registries/new", name="new-registry")
async def show_new_registry(request: HtmlRequest, actor: GivenActor) -> Response[str]:
    """`/registries/new`: an empty form."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    return _form_page(request, _empty(FormValues()))


@post("/registries/new", name="add-registry", status_code=200)
async def add_registry(
    request: HtmlRequest, services: GivenServices, actor: GivenActor
) -> Response[str] | Response[None]:
    """Tests, saves and leads to the new registry; or says beside each field what is wrong."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    sent = await read_form(request)
    view = _empty(sent.values)
    try:
        settings, secrets = _combined(actor, sent, RegistrySecrets())
        if sent.action == "test":
            return _tested(request, view, sent, await registries.check_registry(services, actor, settings, secrets))
        test = not sent.values.untested
        added = await registries.add_registry(services, actor, settings, secrets, test=test)
    except (InvalidInput, Conflict) as error:
        return _refused(request, view, sent, error)
    return redirect(request, urls_of(request).registry(added.name), notice=f"{added.title} was added.")


@get("/r/{registry:str}/-/settings", name="registry-settings")
async def show_settings(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str]:
    """`/r/{registry}/-/settings`: the form with what is set; secrets only as "is set"."""
    return _form_page(request, await _stored(services, actor, registry))


@post("/r/{registry:str}/-/settings", name="edit-registry", status_code=200)
async def edit_registry(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str] | Response[None]:
    """Tests, saves and leads to the registry; or says beside each field what is wrong."""
    stored = await _stored(services, actor, registry)
    sent = await read_form(request)
    view = replace(stored, values=sent.values)
    try:
        settings, secrets = _combined(actor, sent, await registries.stored_secrets(services, actor, registry))
        if sent.action == "test":
            return _tested(request, view, sent, await registries.check_registry(services, actor, settings, secrets))
        kept = secrets if sent.secrets.touches else None
        test = not sent.values.untested
        edited = await registries.edit_registry(services, actor, registry, settings, kept, test=test)
    except (InvalidInput, Conflict) as error:
        return _refused(request, view, sent, error)
    return redirect(request, urls_of(request).registry(edited.name), notice=f"{edited.title} was saved.")


@get("/r/{registry:str}/-/remove", name="remove-registry")
async def show_remove(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str]:
    """`/r/{registry}/-/remove`: what removing does, and the name to be typed."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    found = await registries.show_registry(services, actor, registry)
    return page(request, "registries/remove.html", RemoveView(registry=found), section=SECTION)


@post("/r/{registry:str}/-/remove", name="do-remove-registry", status_code=200)
async def remove_registry(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, registry: FromPath[str]
) -> Response[str] | Response[None]:
    """Forgets the registry where its name was typed; it is not touched itself."""
    access.require(actor, Permission.REGISTRIES_MANAGE)
    found = await registries.show_registry(services, actor, registry)
    typed = str((await request.form()).get("confirm", "")).strip()
    if typed != found.name:
        view = RemoveView(registry=found, typed=typed[:100], problem=f"Type {found.name} to remove it.")
        return page(request, "registries/remove.html", view, section=SECTION, status=422)
    await registries.remove_registry(services, actor, registry)
    return redirect(request, urls_of(request).home(), notice=f"{found.title} was removed from KubeDash.")


async def _stored(services: Services, actor: Actor, registry: str) -> RegistryFormView:
    settings = await registries.settings_of(services, actor, registry)
    secrets = await registries.stored_secrets(services, actor, registry)
    found = await registries.show_registry(services, actor, registry)
    lost = found.has_password and secrets == RegistrySecrets()
    return RegistryFormView(
        registry=found,
        problem="The stored password cannot be opened: it was sealed with another key." if lost else None,
        hint="Enter it again, or start with the KUBEDASH_SECRET_KEY of before." if lost else None,
        values=values_of(settings),
        has_password=bool(secrets.password or secrets.identity_token or secrets.registry_token),
        has_client_key=secrets.client_key_pem is not None,
    )


def _empty(values: FormValues) -> RegistryFormView:
    return RegistryFormView(registry=None, values=values, has_password=False, has_client_key=False)


def _combined(actor: Actor, sent: SentForm, stored: RegistrySecrets) -> tuple[RegistrySettings, RegistrySecrets]:
    """Settings and secrets of a submission, with the login of an uploaded docker config where there is one.

    Raises `InvalidInput` with `fields`.
    """
    settings, secrets = settings_of(sent.values), secrets_of(sent.secrets, stored)
    if not sent.secrets.docker_config:
        return settings, secrets
    login = registries.login_of(actor, sent.secrets.docker_config, settings.url)
    return (
        replace(settings, username=login.username or settings.username),
        replace(login.secrets, client_key_pem=secrets.client_key_pem),
    )


def _form_page(request: HtmlRequest, view: RegistryFormView, status: int = 200) -> Response[str]:
    template = "registries/_report.html" if is_fragment(request) else "registries/form.html"
    return page(request, template, view, section=SECTION, status=status)


def _tested(request: HtmlRequest, view: RegistryFormView, sent: SentForm, report: CheckReport) -> Response[str]:
    """The form as it was, with the report; a password is not sent back."""
    return _form_page(request, replace(view, report=report, retype=bool(sent.secrets.password)))


def _refused(request: HtmlRequest, view: RegistryFormView, sent: SentForm, error: KubedashError) -> Response[str]:
    fields = error.fields if isinstance(error, InvalidInput) else {"name": error.message}
    refused = replace(
        view,
        errors=fields,
        problem=error.message,
        hint=error.hint,
        report=error.report if isinstance(error, CheckFailed) else None,
        retype=bool(sent.secrets.password),
    )
    return _form_page(request, refused, status=error.status)
