"""What the tables of heat cost allocators, thermal energy, water and gas have in common.  Blue Book Ed. 13, OBIS."""

from __future__ import annotations

from obis.rules import Family, FUse, Processing, named

KINDS = {
    0: "general purpose objects",
    96: "service entries",
    97: "error registers",
    98: "lists",
    99: "profiles",
}

SIMPLE_PROCESSING = {
    0: Processing("current value", "", f_use=FUse.BILLING, rank=0),
    1: Processing("periodical value", f_use=FUse.BILLING),
    2: Processing("set date value", f_use=FUse.BILLING),
    3: Processing("billing date value", f_use=FUse.BILLING),
    4: Processing("minimum", f_use=FUse.BILLING),
    5: Processing("maximum", f_use=FUse.BILLING, rank=2),
    6: Processing("test value"),
}
"""Group D of heat cost allocators and of water."""

BILLING_FAMILIES = (
    Family("0.1", "billing period counter", named({1: ""}), (1,), FUse.BILLING),
    Family("0.1", "billing periods, number available", named({2: ""}), (1,)),
    Family("0.1", "target date", named({10: "set date", 11: "billing date"}), (1,), heading=True),
)
"""The counter of billing periods, and the dates at which values are kept."""

TIME_FAMILIES = (
    Family("0.9", "time entries", named({1: "local time", 2: "local date", 3: "time stamp"}), (1, 3), heading=True),
)
