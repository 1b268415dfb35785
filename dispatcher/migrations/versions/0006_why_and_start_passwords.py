"""why somebody asked to see something; passwords that are good for the first login only"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('audit', sa.Column('why', sa.Text(), nullable=False, server_default=''))
    op.add_column('users', sa.Column('start_until_us', sa.BigInteger(), nullable=True))
