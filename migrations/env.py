"""Run by Alembic. The connection, and with it the transaction around all steps, comes from `pbx.store.migration`."""

from __future__ import annotations

from alembic import context

from pbx.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    # SQLite rolls DDL back like anything else, once the driver lets us say BEGIN (see `pbx.store.database`).
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
