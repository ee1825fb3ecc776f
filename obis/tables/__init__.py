"""The tables of the standard, one file a medium, loaded on demand, and the overlays of makers and countries."""

from __future__ import annotations

import importlib
from functools import cache

from obis.rules import Medium

SOURCES = {
    0: ("abstract", "MEDIUM"),
    1: ("electricity", "MEDIUM"),
    4: ("heat", "ALLOCATOR"),
    5: ("heat", "THERMAL"),
    6: ("heat", "THERMAL"),
    7: ("gas", "MEDIUM"),
    8: ("water", "MEDIUM"),
    9: ("water", "MEDIUM"),
    15: ("other", "MEDIUM"),
}
"""Group A to the file and the name in it. A value that is missing here is reserved."""


@cache
def table(a: int) -> Medium:
    """The table of one medium; `a` is one of SOURCES."""
    file, name = SOURCES[a]
    medium: Medium = getattr(importlib.import_module(f"obis.tables.{file}"), name)
    return medium
