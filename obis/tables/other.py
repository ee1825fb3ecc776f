"""Other media, A = 15: sun and wind.  Blue Book Ed. 13, OBIS: other media."""

from __future__ import annotations

from obis.rules import Medium

KINDS = dict.fromkeys(range(1, 11), "solar") | dict.fromkeys(range(11, 21), "wind")

MEDIUM = Medium(KINDS, rank=4)
