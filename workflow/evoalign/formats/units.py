"""Units of voltage as headers spell them."""

from __future__ import annotations

# In lower case -> microvolts.
MICROVOLTS = {"uv": 1.0, "µv": 1.0, "nv": 1e-3, "mv": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6}
