"""Time- and event-bound control.  Blue Book, class 8."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import Boolean, DateTimeOctets, Enum, Integer, Long, Structure, Unsigned


class Clock(Interface, class_id=8):
    """Local date and time, and daylight saving.  Blue Book, class 8."""

    time = Attribute[bytes](2, DateTimeOctets)
    time_zone = Attribute[int](3, Long, static=True)
    status = Attribute[int](4, Unsigned)
    daylight_savings_begin = Attribute[bytes](5, DateTimeOctets, static=True)
    daylight_savings_end = Attribute[bytes](6, DateTimeOctets, static=True)
    daylight_savings_deviation = Attribute[int](7, Integer, static=True)
    daylight_savings_enabled = Attribute[bool](8, Boolean, static=True)
    clock_base = Attribute[int](9, Enum, static=True)
    adjust_to_quarter = Method[int](1, Integer, 0x60)
    adjust_to_measuring_period = Method[int](2, Integer, 0x68)
    adjust_to_minute = Method[int](3, Integer, 0x70)
    adjust_to_preset_time = Method[int](4, Integer, 0x78)
    preset_adjusting_time = Method[tuple[Any, ...]](
        5,
        Structure(
            ("preset_time", DateTimeOctets),
            ("validity_interval_start", DateTimeOctets),
            ("validity_interval_end", DateTimeOctets),
        ),
        0x80,
    )
    shift_time = Method[int](6, Long, 0x88)
