"""Alembic's migrations: linear numbers, forward only. `pbx.store.migration` runs them; there is no alembic.ini."""
