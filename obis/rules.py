"""The shapes in which the tables of a medium are written: families of named objects, and blocks of quantities."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from obis import pattern


class FUse(enum.Enum):
    """What group F says in some part of a table."""

    NONE = enum.auto()
    """Nothing: 255 only."""
    BILLING = enum.auto()
    """The billing period that a value belongs to."""
    PROFILE = enum.auto()
    """How many billing periods a profile gives."""
    THRESHOLD = enum.auto()
    """The number of a threshold."""


class Series(NamedTuple):
    """Numbered values of a group: `Series("tariff", range(1, 64))` names E = 2 `tariff 2`."""

    word: str
    values: range
    offset: int = 0
    """Added to the value of the group to get the number that is said."""


@dataclass(frozen=True)
class Variants:
    """The values that group E may take in some part of a table, and what they are called.

    `zero` is the meaning of E = 0 where that is the ordinary case: it is told as the group's meaning but is left out
    of the text.
    """

    zero: str | None = None
    named: Mapping[int, str] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    units: Mapping[int, str] = field(default_factory=dict)
    """Units of those values whose unit is not that of the quantity."""

    def label(self, e: int) -> str | None:
        """What the text says for this value: "" for the ordinary case, None for a value that is not allotted."""
        name = self.named.get(e)
        if name is not None:
            return name
        for series in self.series:
            if e in series.values:
                return f"{series.word} {e + series.offset}"
        return "" if e == 0 and self.zero is not None else None

    def examples(self) -> Iterator[int]:
        """Every named value, and the first of each series where none is named: what a search goes through."""
        if self.zero is not None:
            yield 0
        yield from (e for e in self.named if e or self.zero is None)
        if self.zero is None:
            yield from (series.values[0] for series in self.series)


ONE = Variants(zero="not used")
INSTANCES = Variants(zero="first instance", series=(Series("instance", range(1, 128)),))
RATES_63 = Variants(zero="total", series=(Series("tariff", range(1, 64)),))
RATES_9 = Variants(zero="total", series=(Series("tariff", range(1, 10)),))


def named(names: Mapping[int, str]) -> Variants:
    """Values of E with a name each."""
    return Variants(named=names)


def numbered(word: str, values: range, offset: int = 0, **others: str) -> Variants:
    """A single series; `others` names further values: `numbered("device ID", range(10), 1, e255="combined")`."""
    return Variants(named={int(e[1:]): name for e, name in others.items()}, series=(Series(word, values, offset),))


@dataclass(frozen=True)
class Family:
    """Objects that are named as such: `Family("96.6", "battery", named({0: "use time", ...}), (1, 3))`.

    `groups` is the pattern of C and D. In the name, `{d}` stands for D, and `{n}` for D counted from the first that the
    pattern allows.
    """

    groups: str
    name: str
    variants: Variants = ONE
    class_ids: tuple[int, ...] = ()
    f_use: FUse = FUse.NONE
    heading: bool = False
    """The name only sums up what E tells: it is the meaning of D, and the text does without it."""

    def text(self, name: str, label: str) -> str:
        """What a text says of one of the objects; `name` as `places` gives it."""
        return label if self.heading else f"{name}, {label}" if label else name

    def places(self) -> Iterator[tuple[int, int, str]]:
        """C, D and the name for every place that the pattern covers."""
        cs, ds = pattern.parse(self.groups, 2)
        low = min(ds)
        for c in sorted(cs):
            for d in sorted(ds):
                yield c, d, self.name.replace("{d}", str(d)).replace("{n}", str(d - low))


@dataclass(frozen=True)
class Quantity:
    """What group C names: how the plain quantity is called, and how its integral over time."""

    name: str
    symbol: str = ""
    unit: str = ""
    where: str = ""
    """Which phase or part it belongs to: `total`, `L1`."""
    integral: str = ""
    """Name of the time integral; empty where it has none of its own."""
    integral_symbol: str = ""
    integral_unit: str = ""
    quadrants: str = ""
    """Told with the meaning of the group only."""
    rank: int = 0
    """How far down a search shows it."""

    def title(self, integral: bool = False) -> str:
        """The name with symbol and phase: `active power import (P+), total`."""
        symbol = self.integral_symbol if integral and self.integral else self.symbol
        return self.called(integral, f" ({symbol})" if symbol else "")

    def called(self, integral: bool = False, symbol: str = "") -> str:
        """The name with phase, without symbol: `active power import, total`."""
        name = (self.integral if integral else "") or self.name
        return f"{name}{symbol}, {self.where}" if self.where else name + symbol

    def meaning(self) -> str:
        """The meaning of group C by itself."""
        return f"{self.title()}, {self.quadrants}" if self.quadrants else self.title()


@dataclass(frozen=True)
class Processing:
    """What group D does with a quantity."""

    name: str
    text: str | None = None
    """What the text says of it, when that is not the name; "" for the ordinary reading."""
    class_ids: tuple[int, ...] = ()
    integral: bool = False
    """The value is an integral over time: the quantity's name and unit for it apply."""
    unit: str | None = None
    """Unit of the result where it is not the quantity's."""
    f_use: FUse = FUse.NONE
    rank: int = 3
    """How far down a search shows it."""


@dataclass(frozen=True)
class Block:
    """Every one of some quantities (C) with every one of some ways of processing (D), and what E means there."""

    quantities: Mapping[int, Quantity]
    processing: Mapping[int, Processing]
    variants: Variants = ONE

    def label(self, e: int) -> str | None:
        """What the text says of group E; "" also for 255, the unused group; None for a value that is not allotted."""
        label = self.variants.label(e)
        return "" if label is None and e == 255 else label

    def unit(self, c: int, d: int, e: int) -> str:
        """Unit of the value, "" where it has none or the table does not tell."""
        quantity, processing = self.quantities[c], self.processing[d]
        if processing.unit is not None:
            return processing.unit
        return self.variants.units.get(e) or (quantity.integral_unit if processing.integral else quantity.unit)


@dataclass(frozen=True)
class Medium:
    """The table of one medium. Blocks are tried in their order: a narrow one stands before a wide one."""

    kinds: Mapping[int, str]
    """What values of C stand for whose objects are named by families."""
    families: tuple[Family, ...] = ()
    blocks: tuple[Block, ...] = ()
    rank: int = 0
    """How far down a search shows it."""

    @cached_property
    def places(self) -> dict[tuple[int, int], list[tuple[str, Family]]]:
        """The families, and their names, by C and D."""
        found: dict[tuple[int, int], list[tuple[str, Family]]] = {}
        for family in self.families:
            for c, d, name in family.places():
                found.setdefault((c, d), []).append((name, family))
        return found

    def block(self, c: int, d: int) -> Block | None:
        """The block that covers this quantity and processing."""
        for block in self.blocks:
            if c in block.quantities and d in block.processing:
                return block
        return None

    def kind(self, c: int) -> str:
        """What C stands for where families name the objects: a kind of them, or a quantity with a table of its own."""
        quantity = self.quantity(c)
        return self.kinds[c] if quantity is None else quantity.name

    def quantity(self, c: int) -> Quantity | None:
        """The quantity of C, whatever D does with it."""
        for block in self.blocks:
            if c in block.quantities:
                return block.quantities[c]
        return None
