"""Thermal energy, A = 5 and 6, and heat cost allocators, A = 4.  Blue Book Ed. 13, OBIS: heat and cooling."""

from __future__ import annotations

from obis.rules import INSTANCES, RATES_9, Block, Family, FUse, Medium, Processing, Quantity, named, numbered
from obis.tables.readings import BILLING_FAMILIES, KINDS, SIMPLE_PROCESSING, TIME_FAMILIES

ALLOCATOR_QUANTITIES = {
    1: Quantity("unrated integral"),
    2: Quantity("rated integral"),
    3: Quantity("radiator surface temperature", "", "°C"),
    4: Quantity("heating medium temperature", "", "°C"),
    5: Quantity("flow temperature", "", "°C"),
    6: Quantity("return temperature", "", "°C"),
    7: Quantity("room temperature", "", "°C"),
}

ALLOCATOR_FAMILIES = (
    *BILLING_FAMILIES,
    Family("0.2", "program", named({0: "version", 1: "firmware", 2: "software", 3: "measuring principle"}), (1,)),
    Family(
        "0.4",
        "factor",
        named({0: "K", 1: "KQ", 2: "KC", 3: "KCR", 4: "KCH", 5: "KT", 6: "display"}),
        (1, 3),
    ),
    Family("0.5", "temperature threshold", numbered("number", range(10, 12), -9), (1, 3)),
    Family(
        "0.8",
        "period",
        named({0: "averaging period", 4: "recording interval", 6: "billing period"}),
        (1, 3),
        heading=True,
    ),
    *TIME_FAMILIES,
)

ALLOCATOR = Medium(KINDS, ALLOCATOR_FAMILIES, (Block(ALLOCATOR_QUANTITIES, SIMPLE_PROCESSING, RATES_9),), rank=4)

THERMAL_QUANTITIES = {
    1: Quantity("energy"),
    2: Quantity("volume", "V", "m³"),
    3: Quantity("mass", "m"),
    4: Quantity("inlet volume", "V", "m³"),
    5: Quantity("inlet mass", "m"),
    6: Quantity("outlet volume", "V", "m³"),
    7: Quantity("outlet mass", "m"),
    8: Quantity("power", "P"),
    9: Quantity("flow rate"),
    10: Quantity("inlet temperature", "", "°C"),
    11: Quantity("outlet temperature", "", "°C"),
    12: Quantity("temperature difference", "Δt"),
    13: Quantity("pressure", "p"),
}

THERMAL_PROCESSING = {
    0: Processing("current value", "", f_use=FUse.BILLING, rank=0),
    1: Processing("periodical value 1", f_use=FUse.BILLING),
    2: Processing("set date value", f_use=FUse.BILLING),
    3: Processing("billing date value", f_use=FUse.BILLING),
    4: Processing("minimum 1", f_use=FUse.BILLING),
    5: Processing("maximum 1", f_use=FUse.BILLING, rank=2),
    6: Processing("test value"),
    7: Processing("instantaneous value", "instantaneous", rank=1),
    8: Processing("time integral 1"),
    9: Processing("time integral 2"),
    10: Processing("current average"),
    11: Processing("last average"),
    12: Processing("periodical value 2", f_use=FUse.BILLING),
    13: Processing("periodical value 3", f_use=FUse.BILLING),
    14: Processing("minimum 2", f_use=FUse.BILLING),
    15: Processing("maximum 2", f_use=FUse.BILLING),
    20: Processing("number of under-limit occurrences", unit=""),
    21: Processing("duration of under-limit", unit="s"),
    22: Processing("number of over-limit occurrences", unit=""),
    23: Processing("duration of over-limit", unit="s"),
    24: Processing("number of missing values", unit=""),
    25: Processing("duration of missing values", unit="s"),
}

THERMAL_FAMILIES = (
    *BILLING_FAMILIES,
    Family("0.2", "configuration entries", numbered("number", range(5)), (1,)),
    Family("0.2", "configuration entries", numbered("number", range(10, 14)), (1,)),
    Family("0.4", "measuring conditions", named({1: "heat coefficient", 2: "pressure", 3: "enthalpy"}), (1, 3)),
    Family("0.5", "threshold for rate control", numbered("number", range(1, 10)), (1, 3)),
    Family("0.5", "contracted value", numbered("number", range(21, 25), -20), (1, 3)),
    Family("0.8", "averaging period", numbered("number", range(8)), (1, 3)),
    Family("0.8", "period for peak values", numbered("number", range(11, 15), -10), (1, 3)),
    Family("0.8", "periodical or test period", numbered("number", range(21, 26), -20), (1, 3)),
    Family("0.8", "recording interval", numbered("number", range(31, 34), -30), (1, 3)),
    Family("0.8", "billing period", named({34: ""}), (1, 3)),
    *TIME_FAMILIES,
    Family("97.97", "error status", named({0: "overall", 1: "by subsystem", 2: "duration"}), (1, 3)),
    Family("99.1", "data profile", INSTANCES, (7,)),
    Family("99.2", "maximum value profile", INSTANCES, (7,)),
    Family("99.3", "test profile", named({1: ""}), (7,)),
    Family("99.99", "certification data log", INSTANCES, (7,)),
)

THERMAL = Medium(KINDS, THERMAL_FAMILIES, (Block(THERMAL_QUANTITIES, THERMAL_PROCESSING, RATES_9),), rank=4)
