"""Patterns over value groups: a number, a range `1-4`, a list `0,2`, or `*` for any, a group each, joined by dots."""

from __future__ import annotations

import re
from functools import lru_cache

from obis.errors import ObisError

ANY = frozenset(range(256))
LONGEST = 400
"""Characters of a pattern that are looked at: six groups with some room for lists."""

_ITEM = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)


@lru_cache(maxsize=1024)
def parse(text: str, groups: int = 6) -> tuple[frozenset[int], ...]:
    """The values that each group of a pattern allows: `parse("1.*.1-4.8.0,2.255")` gives six sets.

    Raises ObisError, with the position, for anything else than `groups` groups of numbers up to 255.
    """
    if len(text) > LONGEST:
        raise ObisError(f"a pattern has at most {LONGEST} characters", text)
    parts = text.split(".")
    if len(parts) != groups:
        raise ObisError(f"a pattern has {groups} groups between dots, not {len(parts)}", text or " ")
    found, position = [], 0
    for part in parts:
        found.append(_values(part, text, position))
        position += len(part) + 1
    return tuple(found)


def _values(part: str, text: str, position: int) -> frozenset[int]:
    """One group; `position` is where it starts in the whole pattern."""
    if part == "*":
        return ANY
    values: set[int] = set()
    for item in part.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ObisError("a number, a range 1-4, a list 0,2 or * is wanted", text, position)
        low = int(match[1])
        high = int(match[2] or low)
        if not low <= high <= 255:
            raise ObisError(f"{item} is not within 0..255 in rising order", text, position)
        values.update(range(low, high + 1))
        position += len(item) + 1
    return frozenset(values)
