"""Where events are passed on to, for administrators."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from kubedash.errors import Conflict, InvalidInput, KubedashError
from kubedash.policy.access import Actor
from kubedash.policy.forwarding import ACTIONS
from kubedash.records import Forward, ForwardKind, ForwardSettings
from kubedash.web.given import GivenActor, GivenServices
from kubedash.web.rendering import HtmlRequest, page, redirect, urls_of
from kubedash.workflows import forwards, registries
from kubedash.workflows.services import Services

PATH: Final = "/admin/forwards"
KINDS: Final = (
    (ForwardKind.WEBHOOK.value, "Webhook: JSON, signed"),
    (ForwardKind.SLACK.value, "Slack, or what takes its messages"),
)


class ForwardForm(msgspec.Struct, frozen=True):
    """What the form sends. A box that is not ticked is not sent."""

    name: str = ""
    kind: str = ForwardKind.WEBHOOK.value
    url: str = ""
    secret: str = ""
    registry: str = ""
    pattern: str = ""
    push: bool = False
    pull: bool = False
    delete: bool = False
    mount: bool = False

    def __repr__(self) -> str:
        return f"ForwardForm(name={self.name!r}, …)"

    @property
    def actions(self) -> tuple[str, ...]:
        return tuple(action for action in ACTIONS if getattr(self, action))


class ForwardsView(msgspec.Struct, frozen=True, kw_only=True):
    """The list, with what was refused or made where something was."""

    forwards: tuple[Forward, ...]
    registries: tuple[tuple[str, str], ...]
    """Value and label."""
    kinds: tuple[tuple[str, str], ...]
    """Value and label."""
    actions: tuple[str, ...]
    """What can be chosen."""
    chosen: tuple[str, ...]
    """What is chosen."""
    form: ForwardForm
    secret: str | None = None
    """A generated signing secret, shown this once."""
    secret_of: str | None = None
    """Whose it is."""
    problem: str | None = None
    hint: str | None = None
    errors: dict[str, str] = {}


@get(PATH)
async def list_forwards(request: HtmlRequest, services: GivenServices, actor: GivenActor) -> Response[str]:
    """All by name, and how each does."""
    view = await _view(services, actor, ForwardForm(push=True, delete=True))
    return page(request, "admin/forwards.html", view, section="admin")


@post(PATH, status_code=200)
async def add_forward(
    request: HtmlRequest,
    services: GivenServices,
    actor: GivenActor,
    data: Annotated[ForwardForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """A new one; the secret that was made for it is shown in the answer itself."""
    try:
        made = await forwards.add_forward(services, actor, _settings(data))
    except (InvalidInput, Conflict) as error:
        return await _refused(request, services, actor, error, data)
    if made.secret is None:
        return _done(request, f"Events are passed on to {made.forward.name}.")
    view = await _view(services, actor, ForwardForm(push=True, delete=True))
    view = msgspec.structs.replace(view, secret=made.secret, secret_of=made.forward.name)
    return page(request, "admin/forwards.html", view, section="admin")


@post(PATH + "/{name:str}/test", status_code=200)
async def test_forward(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]
) -> Response[Any]:
    """Sends something harmless at once."""
    answer = await forwards.test_forward(services, actor, name)
    if answer.taken:
        return _done(request, f"{name} took the test.")
    view = await _view(services, actor, ForwardForm(push=True, delete=True))
    hint = "Nothing was changed. Check the address, and what stands between us and it."
    view = msgspec.structs.replace(view, problem=f"{name} did not take the test. {answer.problem}", hint=hint)
    return page(request, "admin/forwards.html", view, section="admin")


@post(PATH + "/{name:str}/pause")
async def pause(request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]) -> Response[Any]:
    """Turns it off."""
    await forwards.set_enabled(services, actor, name, False)
    return _done(request, f"{name} gets no more events.")


@post(PATH + "/{name:str}/resume")
async def resume(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]
) -> Response[Any]:
    """Turns it on again, from the next event on; what waits is tried at once."""
    await forwards.set_enabled(services, actor, name, True)
    return _done(request, f"{name} gets events again.")


@post(PATH + "/{name:str}/remove")
async def remove(
    request: HtmlRequest, services: GivenServices, actor: GivenActor, name: FromPath[str]
) -> Response[Any]:
    """What waits to be sent is given up."""
    await forwards.remove_forward(services, actor, name)
    return _done(request, f"{name} was removed.")


def _settings(form: ForwardForm) -> ForwardSettings:
    try:
        kind = ForwardKind(form.kind)
    except ValueError as error:
        raise InvalidInput("There is no such kind.", fields={"kind": "is unknown"}) from error
    return ForwardSettings(
        name=form.name,
        kind=kind,
        url=form.url,
        secret=form.secret or None,
        registry=form.registry or None,
        actions=form.actions,
        pattern=form.pattern,
    )


async def _view(services: Services, actor: Actor, form: ForwardForm) -> ForwardsView:
    known = await registries.list_registries(services, actor)
    return ForwardsView(
        forwards=await forwards.list_forwards(services, actor),
        registries=(("", "Every registry"), *((registry.name, registry.title) for registry in known)),
        kinds=KINDS,
        actions=ACTIONS,
        chosen=form.actions,
        form=form,
    )


async def _refused(
    request: HtmlRequest, services: Services, actor: Actor, error: KubedashError, form: ForwardForm
) -> Response[str]:
    """What was typed stays, but for the secret."""
    fields = error.fields if isinstance(error, InvalidInput) else {}
    view = await _view(services, actor, msgspec.structs.replace(form, secret=""))
    view = msgspec.structs.replace(view, problem=error.message, hint=error.hint, errors=fields)
    return page(request, "admin/forwards.html", view, section="admin", status=error.status)


def _done(request: HtmlRequest, notice: str) -> Response[None]:
    return redirect(request, urls_of(request).path(PATH), notice=notice)
