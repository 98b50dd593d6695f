"""Run by Alembic with the connection that `kubedash.storage.database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from kubedash.storage import event_tables, forward_tables, pull_tables  # noqa: F401 (their tables join the others)
from kubedash.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
