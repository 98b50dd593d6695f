"""The application: its routes, readable from top to bottom, and what surrounds them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.middleware import DefineMiddleware

from kubedash import settings as configuration
from kubedash.settings import Settings
from kubedash.web import assets, event_stream, live_stream, logs, problems
from kubedash.web.api import routes as api
from kubedash.web.api.description import NameSchemas, openapi_config
from kubedash.web.guards import DEPENDENCIES, ActorMiddleware, FormGuard, csrf_config
from kubedash.web.pages import (
    account,
    audit,
    errors,
    event_files,
    event_settings,
    events,
    forwards,
    jobs,
    operations,
    overview,
    patterns,
    references,
    registries,
    repositories,
    search,
    sign_in,
    users,
)
from kubedash.web.rendering import Renderer
from kubedash.web.security import Envelope
from kubedash.web.sessions import session_config
from kubedash.web.webhooks import Webhooks
from kubedash.wiring import close_services, make_data_folder, open_services
from kubedash.workflows.services import Services

NOT_COMPRESSED: Final = ("/static/", "^/-/live$", "^/-/events$")
"""Paths of what is compressed already, and of streams."""
MAX_BODY_BYTES: Final = 2_000_000
ROUTES: Final = (
    sign_in.show_sign_in,
    sign_in.do_sign_in,
    sign_in.sign_out,
    overview.show_overview,
    registries.show_new_registry,
    registries.add_registry,
    registries.show_settings,
    registries.edit_registry,
    event_settings.show_webhook,
    event_settings.make_secret,
    event_settings.remove_secret,
    registries.show_remove,
    registries.remove_registry,
    repositories.list_repositories,
    repositories.refresh_registry,
    events.show_all_events,
    events.show_all_charts,
    events.show_registry_events,
    events.show_registry_charts,
    event_files.export_csv,
    event_files.export_json,
    references.show_reference,
    references.act_on_reference,
    search.show_search,
    jobs.list_jobs,
    jobs.show_job,
    jobs.pause_job,
    jobs.resume_job,
    jobs.cancel_job,
    account.show_account,
    account.change_password,
    account.create_token,
    account.revoke_token,
    users.list_users,
    users.add_user,
    users.set_role,
    users.lock,
    users.unlock,
    users.reset_password,
    audit.show_audit,
    forwards.list_forwards,
    forwards.add_forward,
    forwards.test_forward,
    forwards.pause,
    forwards.resume,
    forwards.remove,
    patterns.patterns,
    live_stream.live,
    event_stream.stream_events,
    errors.choose_theme,
    operations.alive,
    operations.ready,
    operations.figures,
    assets.serve_asset,
    *api.HANDLERS,
    errors.no_such_page,
)


def create_app(
    settings: Settings, opener: Callable[[Settings], Awaitable[Services]] = open_services, *, development: bool = False
) -> Litestar:
    """The whole house behind HTTP; opened and closed with the server.

    `opener` makes the services (tests bring their own). With `development` templates
    are read again at every page. Raises `Unavailable` where the assets were not built.
    """
    make_data_folder(settings)
    renderer = Renderer(settings.base_path, development=development)
    app = Litestar(
        route_handlers=list(ROUTES),
        dependencies=dict(DEPENDENCIES),
        middleware=[
            session_config(settings).middleware,
            DefineMiddleware(FormGuard, config=csrf_config(settings)),
            DefineMiddleware(ActorMiddleware),
        ],
        exception_handlers=problems.HANDLERS,
        lifespan=[_lifespan(settings, opener)],
        state=State({"settings": settings, "renderer": renderer, "assets": assets.load()}),
        compression_config=CompressionConfig(backend="gzip", gzip_compress_level=3, exclude=list(NOT_COMPRESSED)),
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
        include_in_schema=False,
        openapi_config=openapi_config(settings.base_path),
        plugins=[NameSchemas()],
    )
    # Registries post their events in front of everything else: see `kubedash.web.webhooks`.
    app.asgi_handler = Envelope(Webhooks(app.asgi_handler, app.state), settings)
    return app


def from_environment() -> Litestar:
    """For a server that wants a factory: `granian --factory kubedash.web.app:from_environment`."""
    settings = configuration.load()
    logs.configure(settings.log_level)
    return create_app(settings)


def _lifespan(
    settings: Settings, opener: Callable[[Settings], Awaitable[Services]]
) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def opened(app: Litestar) -> AsyncIterator[None]:
        services = await opener(settings)
        app.state.services = services
        try:
            yield
        finally:
            await close_services(services)

    return opened
