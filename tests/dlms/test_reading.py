"""Readings and units."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.axdr import EncodeError
from dlms.data import DoubleLongUnsigned, Enum, Integer
from dlms.reading import Reading
from dlms.units import Unit, symbol, unit


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-128, 127))
def test_exact(raw: int, scaler: int) -> None:
    reading = Reading(raw, scaler, Unit.WATT_HOUR)
    with localcontext() as context:
        context.prec = 400
        assert reading.value == Decimal(raw) * Decimal(10) ** scaler
        assert Decimal(str(reading).removesuffix(" Wh")) == reading.value
        assert Decimal(reading.kilo().removesuffix(" kWh")) * 1000 == reading.value
    assert float(reading) == float(f"{raw}e{scaler}")


@pytest.mark.parametrize(
    ("raw", "scaler", "code", "text", "kilo"),
    [
        (1234, 0, 30, "1234 Wh", "1.234 kWh"),
        (1234, 1, 30, "12340 Wh", "12.34 kWh"),
        (1234, -2, 30, "12.34 Wh", "0.01234 kWh"),
        (-5, 0, 27, "-5 W", "-0.005 kW"),
        (2300, -1, 35, "230.0 V", "230.0 V"),
        (7, 0, 255, "7", "7"),
        (7, 0, 99, "7 unit 99", "7 unit 99"),
        (0, 3, 32, "0 varh", "0 kvarh"),
    ],
)
def test_text(raw: int, scaler: int, code: int, text: str, kilo: str) -> None:
    reading = Reading(raw, scaler, code)
    assert str(reading) == text
    assert reading.kilo() == kilo


def test_from_a_register() -> None:
    reading = Reading.of(DoubleLongUnsigned(1234), (Integer(1), Enum(30)))
    assert (reading.raw, reading.scaler, reading.unit) == (1234, 1, Unit.WATT_HOUR)
    assert type(reading.raw) is DoubleLongUnsigned
    assert repr(reading) == "Reading(1234, 1, 'Wh')"
    assert Reading.of(5, None).value == 5


def test_comparison() -> None:
    assert Reading(10, 0, 30) == Reading(1, 1, 30)
    assert hash(Reading(10, 0, 30)) == hash(Reading(1, 1, 30))
    assert Reading(10, 0, 30) != Reading(10, 0, 32)
    assert Reading(10, 0, 30) != 10
    assert Reading(9, 0, 30) < Reading(1, 1, 30) <= Reading(10, 0, 30)
    for other in (Reading(10, 0, 32), 10):
        with pytest.raises(TypeError):
            assert Reading(9, 0, 30) < other


@pytest.mark.parametrize("arguments", [(1.5,), (True,), ("1",), (1, 128), (1, -129)])
def test_what_is_no_reading(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(EncodeError):
        Reading(*arguments)


def test_units() -> None:
    assert unit(30) is Unit.WATT_HOUR
    assert unit(99) == 99
    assert not isinstance(unit(99), Unit)
    assert (symbol(30), symbol(48), symbol(255), symbol(200)) == ("Wh", "V²h", "", "unit 200")
    assert len({one.symbol for one in Unit}) == len(Unit)
    assert all(1 <= one <= 255 for one in Unit)
