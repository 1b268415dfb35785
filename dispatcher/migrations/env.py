"""Alembic's door: runs the migrations on the connection that `dispatcher.schema` hands over.

On PostgreSQL text is compared byte by byte afterwards, as SQLite does it: ids and cursors are in the same order on both,
whatever language the database was made for.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from dispatcher.tables import metadata

_OTHER_ORDER = text("""
    SELECT quote_ident(table_name), string_agg(
        'ALTER COLUMN ' || quote_ident(column_name) || ' TYPE text COLLATE "C"', ', ' ORDER BY ordinal_position)
    FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = ANY(:tables)
      AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'
    GROUP BY table_name ORDER BY table_name
""")

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
    if connection.dialect.name == "postgresql":
        for table, changes in connection.execute(_OTHER_ORDER, {"tables": list(metadata.tables)}).all():
            connection.execute(text(f"ALTER TABLE {table} {changes}"))
