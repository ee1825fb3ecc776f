"""What EN 50160:2010 demands of a low-voltage supply, and the verdicts on a week of it.

The limits are from memory, not from the text of the standard.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.quality import Bools


class Of(Enum):
    """What a limit is of; all but the frequency and the flicker are means of ten minutes."""

    VOLTAGE = auto()
    """As a share of the declared one."""
    FREQUENCY = auto()
    """Of ten seconds, as a share of the nominal one."""
    UNBALANCE = auto()
    THD = auto()
    FLICKER = auto()
    """Plt, of two hours."""
    HARMONIC = auto()
    """As a share of the fundamental."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Between `low` and `high`, both allowed, must lie the share `needed` of the values."""

    what: str
    of: Of
    low: float
    high: float
    needed: float
    order: int = 0

    def outside(self, values: Doubles) -> Bools:
        """Where values are not within; NaN is nowhere."""
        beyond: Bools = (values < self.low) | (values > self.high)
        return beyond


_HARMONICS = {3: 0.05, 5: 0.06, 7: 0.05, 9: 0.015, 11: 0.035, 13: 0.03, 15: 0.005, 17: 0.02} | dict.fromkeys(
    (19, 21, 23, 25), 0.015
)
LIMITS = (
    Limit("voltage +-10 %", Of.VOLTAGE, 0.9, 1.1, 0.95),
    Limit("voltage +10/-15 %", Of.VOLTAGE, 0.85, 1.1, 1.0),
    Limit("frequency +-1 %", Of.FREQUENCY, 0.99, 1.01, 0.995),
    Limit("frequency +4/-6 %", Of.FREQUENCY, 0.94, 1.04, 1.0),
    Limit("unbalance 2 %", Of.UNBALANCE, 0.0, 0.02, 0.95),
    Limit("THD 8 %", Of.THD, 0.0, 0.08, 0.95),
    Limit("flicker Plt 1", Of.FLICKER, 0.0, 1.0, 0.95),
    *(Limit(f"harmonic {order}", Of.HARMONIC, 0.0, share, 0.95, order) for order, share in _HARMONICS.items()),
)
"""EN 50160:2010, 4.2 and table 1.  The 99.5 % of the frequency are meant of a year."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is demanded, the share of values within it (of several phases the worst; NaN: not measured), whether that is
    enough."""

    what: str
    share: float
    needed: float

    @property
    def passed(self) -> bool:
        """Whether enough of the values lie within the limits; never of what was not measured."""
        return self.share >= self.needed

    @property
    def outcome(self) -> str:
        """ "passed", "failed" or "not measured"."""
        if math.isnan(self.share):
            return "not measured"
        return "passed" if self.passed else "failed"


def en_50160(
    voltage_v: Doubles,
    frequency_hz: Doubles,
    *,
    declared_v: float = 230.0,
    nominal_hz: float = 50.0,
    unbalance: Doubles | None = None,
    thd: Doubles | None = None,
    harmonics: Mapping[int, Doubles] | None = None,
    flagged: Bools | None = None,
    long_flicker: Doubles | None = None,
) -> list[Verdict]:
    """The verdicts of one place's week after EN 50160:2010, low voltage.

    `voltage_v` and `thd` are (phase, 10 min), `frequency_hz` (10 s), `unbalance` (10 min), `harmonics` order -> (phase,
    10 min); shares, not per cent; `long_flicker` are Plt (phase, 2 h).  What is not given was not measured.  Flagged
    intervals (10 min) are left out; EngineError when none remains.
    """
    kept = np.ones(voltage_v.shape[-1], np.bool_) if flagged is None else ~flagged
    if not kept.any() or not frequency_hz.size:
        raise EngineError("a week without a valid value has no verdict")
    given: dict[tuple[Of, int], Doubles | None] = {
        (Of.VOLTAGE, 0): voltage_v[..., kept] / declared_v,
        (Of.FREQUENCY, 0): frequency_hz / nominal_hz,
        (Of.UNBALANCE, 0): None if unbalance is None else unbalance[..., kept],
        (Of.THD, 0): None if thd is None else thd[..., kept],
        (Of.FLICKER, 0): long_flicker,
    }
    given |= {(Of.HARMONIC, order): values[..., kept] for order, values in (harmonics or {}).items()}
    verdicts = []
    for limit in LIMITS:
        values = given.get((limit.of, limit.order))
        share = math.nan if values is None else float(np.min(1.0 - limit.outside(values).mean(axis=-1)))
        verdicts.append(Verdict(limit.what, share, limit.needed))
    return verdicts
