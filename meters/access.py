"""Access as manufacturers' tables write it: `R`, `RW`, `W`, `R(W)`, or by attribute, `2-3 R; 4 RW; 5-8 R`."""

from __future__ import annotations

import enum
import re

from dlms.ic import ExtendedRegister
from dlms.interface import Interface

_PART = re.compile(r"(?P<first>\d+)(?:-(?P<last>\d+))? (?P<mode>R|RW|W|R\(W\))", re.ASCII)


class Mode(enum.Enum):
    """What the table allows for one attribute."""

    READ = "R"
    READ_WRITE = "RW"
    WRITE = "W"
    READ_PRIMARY_WRITE = "R(W)"
    """Written through the primary module port only (Kamstrup)."""

    @property
    def readable(self) -> bool:
        """Whether any association may read it."""
        return self is not Mode.WRITE


MODES = frozenset(mode.value for mode in Mode)


def parse_access(text: str, interface: type[Interface]) -> dict[int, Mode]:
    """Mode by attribute index.

    A mode without indices is that of the value; scaler_unit and capture_time then are readable, and a status (class 4)
    does not exist.  Raises ValueError for anything else, and for attributes that the class does not have.
    """
    if text in MODES:
        found = {index: Mode.READ for index in interface.attributes if index > 2} | {2: Mode(text)}
        if interface is ExtendedRegister:
            del found[4]
        return found
    found = {}
    for part in text.split("; "):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"{text!r} is no access")
        mode = Mode(match["mode"])
        for index in range(int(match["first"]), int(match["last"] or match["first"]) + 1):
            if index in found or index not in interface.attributes:
                raise ValueError(f"{text!r}: {interface.__name__} has no attribute {index}, or it is named twice")
            found[index] = mode
    return found
