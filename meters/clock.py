"""The clock object of a meter: what its attributes show, and what setting them does.  Blue Book, class 8."""

from __future__ import annotations

import datetime

from dlms.cosem_time import DAYLIGHT_SAVING
from dlms.ic import Clock
from dlms.types import Boolean, Enum, Integer, OctetString, Unsigned
from meters import local_time
from meters.engine import SetClockOffset
from meters.objects import Complex
from meters.sources import Attribute, Constant, Derived, Meter
from obis import Obis

TIME, STATUS, BEGIN, END, DEVIATION, ENABLED, BASE = 2, 4, 5, 6, 7, 8, 9
INTERNAL_CRYSTAL = 1
LONG_AGO_S = int((datetime.datetime(2000, 1, 1) - local_time.EPOCH).total_seconds())
TOO_LATE_S = int((datetime.datetime(2100, 1, 1) - local_time.EPOCH).total_seconds())


class Face:
    """The clock of the meters of one model: where it is, and by which object it is set."""

    def __init__(self, obis: str, normal_offset_s: int) -> None:
        self.instance, self.normal_offset_s = Obis(obis), normal_offset_s

    def saves_daylight(self, meter: Meter) -> bool:
        """Whether the clock is put forward in summer."""
        return bool(meter.setting(self.instance, ENABLED))

    def time(self, meter: Meter) -> bytes:
        """Attribute 2."""
        return local_time.local_octets(self._utc_s(meter), self.normal_offset_s, self.saves_daylight(meter))

    def set_time(self, meter: Meter, value: bytes) -> None:
        """A write of attribute 2.  Raises ValueError for what is no moment of this century."""
        wanted_s = local_time.utc_of(bytes(value), self.normal_offset_s, self.saves_daylight(meter))
        if not LONG_AGO_S <= wanted_s < TOO_LATE_S:
            raise ValueError(f"the clock cannot be set to {value.hex()}")
        meter.engine.command(meter.index, SetClockOffset(wanted_s - meter.now_s))

    def status(self, meter: Meter) -> int:
        """Attribute 4: the octet that ends the time."""
        return self.time(meter)[-1]

    def daylight_begin(self, meter: Meter) -> bytes:
        """Attribute 5: this year's switch, 02:00 of normal time."""
        begin_s, _ = local_time.switches(self._year(meter))
        return local_time.octets(begin_s + self.normal_offset_s, 0)

    def daylight_end(self, meter: Meter) -> bytes:
        """Attribute 6: this year's switch back, 03:00 of daylight-saving time."""
        _, end_s = local_time.switches(self._year(meter))
        return local_time.octets(end_s + self.normal_offset_s + local_time.DAYLIGHT_S, DAYLIGHT_SAVING)

    def _utc_s(self, meter: Meter) -> int:
        return meter.engine.clock_s(meter.index) + meter.now_s - meter.engine.now_s

    def _year(self, meter: Meter) -> int:
        return local_time.year_of(self._utc_s(meter) + self.normal_offset_s)


def clock(obis: str, access: str, normal_offset_s: int) -> Complex:
    """The clock object of a meter whose normal time is that many seconds ahead of UTC."""
    face = Face(obis, normal_offset_s)
    attributes = {
        TIME: Attribute(OctetString(12), Derived(face.time), obey=face.set_time),
        STATUS: Attribute(Unsigned, Derived(face.status)),
        BEGIN: Attribute(OctetString(12), Derived(face.daylight_begin)),
        END: Attribute(OctetString(12), Derived(face.daylight_end)),
        DEVIATION: Attribute(Integer, Constant(local_time.DAYLIGHT_S // 60)),
        ENABLED: Attribute(Boolean, Constant(True)),
        BASE: Attribute(Enum, Constant(INTERNAL_CRYSTAL)),
    }
    return Complex(obis, Clock, access, "clock", attributes)
