"""What the value groups mean whatever the medium: who defines a code, its channel, its billing period, its country."""

from __future__ import annotations

import enum

from obis.rules import FUse
from obis.tables.countries import COUNTRIES

MEDIA = {
    0: "abstract",
    1: "electricity",
    4: "heat cost allocator",
    5: "cooling",
    6: "heat",
    7: "gas",
    8: "cold water",
    9: "hot water",
    15: "other media",
}
"""Group A.  Blue Book Ed. 13, OBIS: value group A."""

CHANNELS = 64
"""The highest channel of group B."""

CONSORTIA, COUNTRY, SERVICE = 93, 94, 96
"""Values of C with rules of their own."""

MANUFACTURER_D_OF_SERVICE = range(50, 100)
"""D below C = 96 that is left to the manufacturer, for objects that a display shows."""

CURRENT = {
    FUse.NONE: "not used",
    FUse.BILLING: "current value",
    FUse.PROFILE: "all billing periods",
    FUse.THRESHOLD: "current threshold",
}
"""The meaning of F = 255."""


class Scope(enum.StrEnum):
    """Who defines what a code means."""

    STANDARD = "standard"
    RESERVED = "reserved"
    MANUFACTURER = "manufacturer-specific"
    UTILITY = "utility-specific"
    CONSORTIUM = "consortium-specific"
    COUNTRY = "country-specific"


def scope(code: bytes) -> tuple[Scope, int]:
    """Who defines a code, and the index of the group that says so (0 for A); STANDARD goes with 6.

    The groups are looked at from left to right: one that leaves the ground of the standard decides, and the groups
    after it mean what its owner wants. Reserved values of C, D and E depend on the medium: its table knows them.
    Blue Book Ed. 13, OBIS: manufacturer, utility, consortia and country specific codes.
    """
    a, b, c, d, e, f = code
    if a not in MEDIA:
        return Scope.RESERVED, 0
    if b > CHANNELS:
        return (Scope.UTILITY if b < 128 else Scope.MANUFACTURER if b < 200 else Scope.RESERVED), 1
    if 128 <= c < 200 or c == 240:
        return Scope.MANUFACTURER, 2
    if c in (CONSORTIA, COUNTRY):
        return (Scope.COUNTRY if c == COUNTRY else Scope.CONSORTIUM), 2
    if 128 <= d < 255 or (c == SERVICE and d in MANUFACTURER_D_OF_SERVICE):
        return Scope.MANUFACTURER, 3
    if 128 <= e < 255:
        return Scope.MANUFACTURER, 4
    if 128 <= f < 255:
        return Scope.MANUFACTURER, 5
    return Scope.STANDARD, 6


def medium(a: int) -> str:
    """The name of group A."""
    return MEDIA.get(a) or f"reserved medium A={a}"


def channel(b: int) -> str:
    """The meaning of group B."""
    if b <= CHANNELS:
        return f"channel {b}" if b else "no channel"
    return "utility-specific" if b < 128 else "manufacturer-specific" if b < 200 else "reserved"


def country(d: int) -> str:
    """The country that D stands for below C = 94."""
    return COUNTRIES.get(d) or f"country identifier {d}, not allotted"


def billing(f: int, use: FUse) -> str | None:
    """What group F says under some use of it; None for a value that is not allotted there (or left to the maker)."""
    if f == 255:
        return CURRENT[use]
    if use is FUse.THRESHOLD:
        return f"threshold {f}" if f < 100 else None
    if use is FUse.NONE or f == 100 or f > 126:
        return None
    if f == 126:
        return "unspecified number of billing periods"
    if f < 100:
        return f"billing period {f}"
    return last_period(f - 100, use)


def last_period(count: int, use: FUse) -> str:
    """F = 101 to 125: one period of the past for a value, that many of them for a profile."""
    if use is FUse.PROFILE:
        return f"last {count} billing periods" if count > 1 else "last billing period"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(count % 10 if count not in (11, 12, 13) else 0, "th")
    return f"{count}{ending} last billing period" if count > 1 else "last billing period"
