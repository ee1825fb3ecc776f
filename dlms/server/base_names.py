"""Short names on the server: where the objects of an association lie among the 65 536 names.  Blue Book, short names.

An object occupies the names from its base name up to that of its last attribute or method; every name is a multiple of 8.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.interface import AttributeRef, MethodRef
from dlms.server.rights import Served
from obis import Obis

STEP = 8
"""From one attribute to the next."""
FIRST = 0x0100
RESERVED = 0xFA00
"""From here on names belong to the special objects."""
SPECIAL: dict[tuple[int, Obis], int] = {
    (12, Obis("0.0.40.0.0.255")): 0xFA00,
    (9, Obis("0.0.10.0.125.255")): 0xFB00,
    (17, Obis("0.0.41.0.0.255")): 0xFC00,
    (1, Obis("0.0.42.0.0.255")): 0xFD00,
    (3, Obis("0.0.42.0.0.255")): 0xFD00,
}
"""Current association, broadcast scripts, SAP assignment, logical device name.  Blue Book, reserved base names."""

Key = tuple[int, Obis]


class BaseNames:
    """The base name of every object of one association, and back.

    Special objects have theirs by the book, others where `Served.base_name` says so; the rest follow each other in the
    order of class and logical name, so that the same objects always get the same names.
    Raises LocalProtocolError when two objects overlap or the names run out.
    """

    def __init__(self, objects: Mapping[Key, Served]) -> None:
        fixed = {key: base for key, served in objects.items() if (base := _fixed(key, served)) is not None}
        placed = sorted((fixed | _placed(objects, fixed)).items(), key=lambda item: item[1])
        self.by_object: dict[Key, int] = dict(placed)
        """Base names by object, lowest first."""
        self._bases = list(self.by_object.values())
        self._served = [objects[key] for key in self.by_object]
        for (low, served), (high, _) in pairwise([*zip(self._bases, self._served, strict=True), (0x10000, None)]):
            if served is not None and (low % STEP or low < 0 or low + extent(served) > high):
                raise LocalProtocolError(f"{served.interface!r} does not fit at short name {low:#06x}")

    def find(self, name: int) -> AttributeRef[Any] | MethodRef[Any]:
        """The attribute or method that a short name names.  Raises AccessError when there is none."""
        place = bisect_right(self._bases, name) - 1
        if place < 0:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, f"short name {name:#06x}")
        of, offset = self._served[place].interface, name - self._bases[place]
        if offset % STEP == 0 and offset // STEP + 1 in of.attributes:
            return of.attribute_ref(offset // STEP + 1)
        for index, method in of.methods.items():
            if method.short_name_offset == offset:
                return of.method_ref(index)
        raise AccessError(AccessResult.OBJECT_UNDEFINED, f"short name {name:#06x}")


def extent(served: Served) -> int:
    """How many names an object occupies: up to its last attribute or method."""
    of = served.interface
    offsets = [attribute.short_name_offset for attribute in of.attributes.values()]
    return max(offsets + [method.short_name_offset for method in of.methods.values()]) + STEP


def _fixed(key: Key, served: Served) -> int | None:
    return served.base_name if served.base_name is not None else SPECIAL.get(key)


def _placed(objects: Mapping[Key, Served], fixed: Mapping[Key, int]) -> dict[Key, int]:
    """The base names of the objects that have none yet: one behind the other, around those that are fixed."""
    taken = sorted((base, base + extent(objects[key])) for key, base in fixed.items())
    found, name = {}, FIRST
    for key in sorted(objects.keys() - fixed.keys()):
        size = extent(objects[key])
        for start, end in taken:
            if start < name + size and name < end:
                name = end
        if name + size > RESERVED:
            raise LocalProtocolError(f"there are no short names left for {objects[key].interface!r}")
        found[key] = name
        name += size
    return found
