"""The API's routes, readable from top to bottom."""

from __future__ import annotations

from typing import Final

from litestar import Router
from litestar.exceptions import HTTPException

from kubedash.web.api import bulk, changes, copies, events, forwards, images, inventory, jobs, people, registries
from kubedash.web.api.description import PREFIX, read_schema
from kubedash.web.api.refusals import needs_somebody, refuse_depth, refuse_unreadable

ROUTES: Final = (
    registries.list_registries,
    registries.add_registry,
    registries.show_registry,
    registries.change_registry,
    registries.remove_registry,
    registries.sync_registry,
    registries.check_registry,
    inventory.list_repositories,
    inventory.list_tags,
    changes.point_tag,
    changes.delete_tag,
    changes.list_history,
    changes.list_deleted,
    changes.restore_tag,
    changes.delete_manifest,
    images.show_image,
    images.show_config,
    images.read_manifest,
    images.list_referrers,
    images.compare_images,
    events.list_events,
    events.show_stats,
    events.show_webhook,
    events.make_secret,
    events.remove_secret,
    forwards.list_forwards,
    forwards.add_forward,
    forwards.show_forward,
    forwards.change_forward,
    forwards.remove_forward,
    forwards.test_forward,
    jobs.list_jobs,
    jobs.show_job,
    jobs.cancel_job,
    jobs.list_items,
    jobs.pause_job,
    jobs.resume_job,
    copies.copy_image,
    copies.show_copy,
    bulk.delete_tags,
    bulk.show_bulk,
    inventory.search,
    people.show_me,
    people.list_users,
    people.add_user,
    people.show_user,
    people.change_user,
    people.list_tokens,
    people.create_token,
    people.revoke_token,
    people.list_audit,
)
api_router: Final = Router(
    PREFIX,
    route_handlers=ROUTES,
    guards=[needs_somebody],
    exception_handlers={HTTPException: refuse_unreadable, RecursionError: refuse_depth},
    include_in_schema=True,
)
HANDLERS: Final = (api_router, read_schema)
"""For the application's route table."""
