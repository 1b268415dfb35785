"""`python -m yijian`, the same as the command `yijian`."""

from __future__ import annotations

import sys

from yijian.cli import main

sys.exit(main())
