"""How patient tests are: on a slow or busy machine, OUTSIDE_PATIENCE times as long before a wait is given up.

A lower bound is never stretched.
"""

from __future__ import annotations

import os

PATIENCE = float(os.environ.get("OUTSIDE_PATIENCE", "1"))
