"""Units of measurement by the code that scaler_unit carries (Blue Book 4.3.2, table of units)."""

from __future__ import annotations

import enum
from typing import Self

from dlms.enums import named


class Unit(enum.IntEnum):
    """A unit of measurement; `symbol` is how it is written.  Codes that are not here stay ints (`unit`)."""

    symbol: str

    def __new__(cls, code: int, symbol: str) -> Self:
        made = int.__new__(cls, code)
        made._value_ = code
        made.symbol = symbol
        return made

    YEAR = 1, "a"
    MONTH = 2, "mo"
    WEEK = 3, "wk"
    DAY = 4, "d"
    HOUR = 5, "h"
    MINUTE = 6, "min"
    SECOND = 7, "s"
    DEGREE = 8, "°"
    DEGREE_CELSIUS = 9, "°C"
    CURRENCY = 10, "currency"
    METRE = 11, "m"
    METRE_PER_SECOND = 12, "m/s"
    CUBIC_METRE = 13, "m³"
    CUBIC_METRE_CORRECTED = 14, "m³ (corrected)"
    CUBIC_METRE_PER_HOUR = 15, "m³/h"
    CUBIC_METRE_PER_HOUR_CORRECTED = 16, "m³/h (corrected)"
    CUBIC_METRE_PER_DAY = 17, "m³/d"
    CUBIC_METRE_PER_DAY_CORRECTED = 18, "m³/d (corrected)"
    LITRE = 19, "l"
    KILOGRAM = 20, "kg"
    NEWTON = 21, "N"
    NEWTON_METRE = 22, "Nm"
    PASCAL = 23, "Pa"
    BAR = 24, "bar"
    JOULE = 25, "J"
    JOULE_PER_HOUR = 26, "J/h"
    WATT = 27, "W"
    VOLT_AMPERE = 28, "VA"
    VAR = 29, "var"
    WATT_HOUR = 30, "Wh"
    VOLT_AMPERE_HOUR = 31, "VAh"
    VAR_HOUR = 32, "varh"
    AMPERE = 33, "A"
    COULOMB = 34, "C"
    VOLT = 35, "V"
    VOLT_PER_METRE = 36, "V/m"
    FARAD = 37, "F"
    OHM = 38, "Ω"
    OHM_METRE = 39, "Ωm"
    WEBER = 40, "Wb"
    TESLA = 41, "T"
    AMPERE_PER_METRE = 42, "A/m"
    HENRY = 43, "H"
    HERTZ = 44, "Hz"
    PER_WATT_HOUR = 45, "1/Wh"
    PER_VAR_HOUR = 46, "1/varh"
    PER_VOLT_AMPERE_HOUR = 47, "1/VAh"
    VOLT_SQUARED_HOUR = 48, "V²h"
    AMPERE_SQUARED_HOUR = 49, "A²h"
    KILOGRAM_PER_SECOND = 50, "kg/s"
    SIEMENS = 51, "S"
    KELVIN = 52, "K"
    PER_VOLT_SQUARED_HOUR = 53, "1/V²h"
    PER_AMPERE_SQUARED_HOUR = 54, "1/A²h"
    PER_CUBIC_METRE = 55, "1/m³"
    PERCENT = 56, "%"
    AMPERE_HOUR = 57, "Ah"
    WATT_HOUR_PER_CUBIC_METRE = 60, "Wh/m³"
    JOULE_PER_CUBIC_METRE = 61, "J/m³"
    MOLE_PERCENT = 62, "mol%"
    GRAM_PER_CUBIC_METRE = 63, "g/m³"
    PASCAL_SECOND = 64, "Pa·s"
    JOULE_PER_KILOGRAM = 65, "J/kg"
    GRAM_PER_SQUARE_CENTIMETRE = 66, "g/cm²"
    ATMOSPHERE = 67, "atm"
    DECIBEL_MILLIWATT = 70, "dBm"
    DECIBEL_MICROVOLT = 71, "dBµV"
    DECIBEL = 72, "dB"
    INCH = 128, "in"
    FOOT = 129, "ft"
    POUND = 130, "lb"
    DEGREE_FAHRENHEIT = 131, "°F"
    DEGREE_RANKINE = 132, "°R"
    SQUARE_INCH = 133, "sq in"
    SQUARE_FOOT = 134, "sq ft"
    ACRE = 135, "ac"
    CUBIC_INCH = 136, "cu in"
    CUBIC_FOOT = 137, "cu ft"
    ACRE_FOOT = 138, "ac ft"
    GALLON_IMPERIAL = 139, "gal (imp)"
    GALLON_US = 140, "gal (US)"
    POUND_FORCE = 141, "lbf"
    POUND_FORCE_PER_SQUARE_INCH = 142, "psi"
    POUND_PER_CUBIC_FOOT = 143, "lb/cu ft"
    POUND_PER_FOOT_SECOND = 144, "lb/(ft·s)"
    SQUARE_FOOT_PER_SECOND = 145, "sq ft/s"
    BRITISH_THERMAL_UNIT = 146, "Btu"
    THERM_EC = 147, "thm (EC)"
    THERM_US = 148, "thm (US)"
    BRITISH_THERMAL_UNIT_PER_POUND = 149, "Btu/lb"
    BRITISH_THERMAL_UNIT_PER_CUBIC_FOOT = 150, "Btu/cu ft"
    OTHER = 254, "other"
    UNITLESS = 255, ""


def unit(code: int) -> Unit | int:
    """The unit of that code, or the code itself where it is not known."""
    return named(Unit, code)


def symbol(code: int) -> str:
    """How the unit is written: 30 is "Wh"; "unit 99" where the code is not known."""
    known = named(Unit, code)
    return known.symbol if isinstance(known, Unit) else f"unit {code}"
