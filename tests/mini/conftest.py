"""``mini`` is not installed: its tests find it in the checkout, after whatever is installed."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
