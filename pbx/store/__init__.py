"""The store: SQL at the edge. The exchange answers from memory; the database is read at start and written behind."""
