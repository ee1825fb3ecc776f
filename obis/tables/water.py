"""Cold and hot water, A = 8 and 9.  Blue Book Ed. 13, OBIS: water."""

from __future__ import annotations

from obis.rules import INSTANCES, RATES_9, Block, Family, Medium, Quantity, named
from obis.tables.readings import BILLING_FAMILIES, KINDS, SIMPLE_PROCESSING, TIME_FAMILIES

QUANTITIES = {
    1: Quantity("volume", "V", "m³"),
    2: Quantity("flow rate"),
    3: Quantity("temperature", "", "°C"),
}

FAMILIES = (
    *BILLING_FAMILIES,
    Family("0.1", "target date", named({12: "billing date period"}), (1,), heading=True),
    Family("0.2", "program entries", named({0: "program version", 3: "device version"}), (1,), heading=True),
    Family("0.5", "threshold", named({1: "for rate control"}), (1, 3)),
    Family("0.7", "pulse value", named({1: "volume"}), (1, 3)),
    Family("0.8", "period", named({1: "recording interval", 6: "averaging period"}), (1, 3), heading=True),
    *TIME_FAMILIES,
    Family("99.1", "load profile", INSTANCES, (7,)),
)

MEDIUM = Medium(KINDS, FAMILIES, (Block(QUANTITIES, SIMPLE_PROCESSING, RATES_9),), rank=4)
