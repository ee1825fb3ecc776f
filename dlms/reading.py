"""A reading: the raw integer of a register, its decimal scaler and its unit; Decimal and float are views of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from dlms.axdr import EncodeError
from dlms.units import Unit, symbol, unit

_DIGITS_OF_SCALERS = range(-128, 128)

_PREFIXED = frozenset((Unit.WATT, Unit.VOLT_AMPERE, Unit.VAR, Unit.WATT_HOUR, Unit.VOLT_AMPERE_HOUR, Unit.VAR_HOUR))
"""Units that people read with a kilo in front."""


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """`raw * 10**scaler unit`, exact.  Blue Book 4.3.2: Register, value and scaler_unit.

    As text in the unit given: `Reading(1234, 1, Unit.WATT_HOUR)` is `12340 Wh`, with as many decimals as a negative
    scaler has; `kilo()` shows power and energy with the prefix.  Readings of one unit compare by value; those of two
    units are never equal, and to order them is a TypeError.
    """

    raw: int
    scaler: int = 0
    unit: Unit | int = Unit.UNITLESS

    def __post_init__(self) -> None:
        if not isinstance(self.raw, int) or isinstance(self.raw, bool):
            raise EncodeError(f"the raw value of a reading is an integer, not {type(self.raw).__name__} {self.raw!r}")
        if self.scaler not in _DIGITS_OF_SCALERS:
            raise EncodeError(f"scaler {self.scaler} is outside -128..127")
        object.__setattr__(self, "scaler", int(self.scaler))
        object.__setattr__(self, "unit", unit(int(self.unit)))

    @classmethod
    def of(cls, raw: int, scaler_unit: tuple[Any, Any] | None) -> Self:
        """From the two attributes of a Register as decoded; without scaler_unit the number stands for itself."""
        return cls(raw) if scaler_unit is None else cls(raw, int(scaler_unit[0]), int(scaler_unit[1]))

    @property
    def value(self) -> Decimal:
        """The exact value in the unit."""
        return _decimal(self.raw, self.scaler)

    def kilo(self) -> str:
        """As text; active, reactive and apparent power and energy with the prefix kilo: `12.34 kWh`."""
        if self.unit not in _PREFIXED:
            return str(self)
        return f"{_decimal(self.raw, self.scaler - 3):f} k{symbol(self.unit)}"

    def __str__(self) -> str:
        return f"{self.value:f} {symbol(self.unit)}".rstrip()

    def __repr__(self) -> str:
        return f"Reading({int(self.raw)}, {self.scaler}, {symbol(self.unit)!r})"

    def __float__(self) -> float:
        return float(self.value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reading):
            return NotImplemented
        return self.unit == other.unit and self.value == other.value

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Reading) or self.unit != other.unit:
            return NotImplemented
        return self.value < other.value

    def __hash__(self) -> int:
        return hash((self.value, self.unit))


def _decimal(raw: int, exponent: int) -> Decimal:
    """Exact whatever the precision of the decimal context, unlike an arithmetic operation."""
    return Decimal((int(raw < 0), tuple(map(int, str(abs(int(raw))))), exponent))
