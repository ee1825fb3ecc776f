"""One log of a tile: rows of quantities, when the next is due, and what its period has gathered so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.commands import LogName
from meters.engine.config import LogSpec
from meters.engine.demand import Interval
from meters.engine.quantity import TIME_KINDS, Ints, Measurand, Quantity
from meters.engine.ring import Ring
from meters.engine.schedule import Every, Unit


def _dtype(quantity: Quantity) -> type[np.integer[Any]]:
    """Times and signed values need 64 bits; what else a display shows fits into 32 (see `Ring.append` for what does not)."""
    wide = quantity.kind in TIME_KINDS or quantity.measurand is Measurand.ACTIVE_NET
    return np.int64 if wide else np.uint32


class Log:
    """Rows, due times (meter clock, UTC) and pending flags of one log for every meter of a tile.

    `period_s` is each meter's period; a log whose rows follow the calendar has no `interval`.
    """

    def __init__(self, name: LogName, spec: LogSpec, elements: int, clock_s: Ints, offset_s: int) -> None:
        meters = clock_s.size
        self.name, self.spec, self.offset_s = name, spec, offset_s
        self.ring = Ring(spec.depth, meters, tuple(_dtype(quantity) for quantity in spec.columns))
        self.flags = np.zeros(meters, np.uint32)
        periodic = spec.every.unit is Unit.SECONDS
        self.interval = Interval(elements, meters) if periodic else None
        self.period_s: Ints = np.full(meters, spec.every.count if periodic else 0, np.int64)
        self.due_s: Ints = self.next_due(clock_s, np.arange(meters))

    def next_due(self, clock_s: Ints, at: Ints) -> Ints:
        """When the next row of the meters `at` is due, whose clocks show `clock_s`."""
        if self.interval is None:
            return self.spec.every.after(clock_s, self.offset_s)
        return (clock_s // self.period_s[at] + 1) * self.period_s[at]

    def set_period(self, at: Ints, period_s: int, clock_s: Ints) -> None:
        """Change the period of the meters `at`: rows erased, running period dropped."""
        self.period_s[at] = Every(period_s).count
        self.ring.erase(at)
        if self.interval is not None:
            self.interval.drop(at)
        self.due_s[at] = self.next_due(clock_s, at)

    def raise_flags(self, flags: NDArray[np.uint32]) -> None:
        """Mark the row that is being gathered; `flags` is (meter)."""
        self.flags |= flags
