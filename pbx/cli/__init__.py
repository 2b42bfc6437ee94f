"""The `pbx` command. Every module here imports only click at its top: `pbx --help` must not wait for SQLAlchemy."""
