"""A power-quality recorder: samples in; aggregates, events and the verdict of a week out, as IEC 61000-4-30 wants.

recorder = Recorder(CLASS_A)
for start_s, wave in pieces:                # ten minutes or more of all phases each, one after the other
    recorder.take(wave, start_s)
recorder.ten_minutes.voltage_v, recorder.incidents, recorder.week()
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind
from meters.engine.flicker import LAMP_230_V, PST_S, SETTLE_S, Lamp, plt, pst_of_ten_minutes
from meters.engine.incoherent import incoherent
from meters.engine.phase_power import LARGEST_THD, PhasePower
from meters.engine.phasor import share
from meters.engine.power_quality import CLASS_A, Thresholds, frequency_10_s
from meters.engine.quality import MICRO, Bools, Change, Supervision
from meters.engine.quantity import Ints
from meters.engine.rapid import RapidChange, rapid_changes
from meters.engine.timeline import timelines
from meters.engine.verdict import Verdict, en_50160
from meters.engine.waveform import Waveform

TEN_MINUTES_S, TWO_HOURS_S, FREQUENCY_S = 600, 7200, 10
WINDOWS_OF_3_S = 15
HARMONICS = 25
"""Up to the highest order that EN 50160 limits."""
_SLACK_S = 1.0
"""Of an interval so much may be missing: the first cycle of a piece and the window across its end."""


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Roots of mean squares over intervals that end at `end_s` (UTC): arrays (phase, interval), unbalance (interval).

    Shares, not per cent; `harmonics` are (phase, interval, order - 1), of the fundamental.  A flagged one holds a dip,
    swell or interruption (4.7).
    """

    end_s: Doubles
    voltage_v: Doubles
    unbalance: Doubles
    voltage_thd: Doubles
    harmonics: Doubles
    flagged: Bools


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Of ten seconds each: end (UTC), whole cycles over their duration, whether an event fell into them."""

    end_s: Doubles
    hertz: Doubles
    flagged: Bools


@dataclass(frozen=True, slots=True)
class Incident:
    """A dip, swell or interruption: UTC of its begin, duration, residual or largest voltage."""

    kind: EventKind
    begin_s: float
    duration_s: float
    extreme_v: float


@dataclass(slots=True)
class _Sums:
    """What an interval has gathered: sums of squares times length, the length, whether it is flagged."""

    squares: Doubles
    length_s: float = 0.0
    flagged: bool = False


class Recorder:
    """Takes the samples of one place, piece by piece.

    Windows of ten or twelve cycles begin anew at each ten minutes of UTC.  One that would lie across two pieces is not
    measured; of intervals, only those are given that are measured but for a second of their length.  Flicker needs
    half a minute before its first ten minutes; `lamp` None does without it.
    """

    def __init__(
        self,
        limits: Thresholds = CLASS_A,
        *,
        phases: int = 3,
        harmonics: int = HARMONICS,
        lamp: Lamp | None = LAMP_230_V,
    ) -> None:
        self.limits, self.phases, self.orders, self.lamp = limits, phases, harmonics, lamp
        self.machine = Supervision(limits.rules(), 1)
        self.stop_s = -np.inf
        self._settling: Waveform | None = None
        """The end of the last piece, on which the flickermeter settles."""
        self.incidents: list[Incident] = []
        self.rapid_changes: list[tuple[float, RapidChange]] = []
        """UTC of the begin of the piece, and the change."""
        self._tens: dict[int, _Sums] = {}
        self._threes: list[tuple[float, Doubles, bool]] = []
        self._frequencies: list[Frequencies] = []
        self._flicker: dict[int, list[float]] = {}

    def take(self, wave: Waveform, start_s: float) -> None:
        """Take a piece whose first sample is at `start_s` (UTC).  After a gap an event that goes on is not known of.

        EngineError for other phases, for a piece before the end of the last, and for one without a whole second.
        """
        if len(wave.voltage_v) != self.phases:
            raise EngineError(f"{len(wave.voltage_v)} phases, not {self.phases}")
        if start_s < self.stop_s - 1e-6:
            raise EngineError(f"a piece from {start_s} on was to begin after {self.stop_s}")
        if start_s > self.stop_s + 1e-3:
            self.machine, self._settling = Supervision(self.limits.rules(), 1), None
        power = incoherent(wave, self.limits.nominal_hz, start_s=start_s, harmonics=self.orders)
        edges_s, active = self._look(power, start_s)
        self._aggregate(power, start_s, _touched(edges_s, active, power.begin_s, power.end_s))
        self.stop_s = start_s + wave.voltage_v.shape[1] / wave.sample_rate_hz
        self._measure_frequency(power, start_s, edges_s, active)
        for phase, half_cycles in enumerate(power.half_cycles, 1):
            found = rapid_changes(half_cycles, phase, self.limits)
            self.rapid_changes += [(start_s, change) for change in found]
        if self.lamp is not None:
            self._see(wave, start_s, self.lamp)

    def _look(self, power: PhasePower, start_s: float) -> tuple[Doubles, Bools]:
        """Edges (since the piece's first sample) of stretches of one voltage, and whether an event goes on in each."""
        block = power.block(start_s=0.0, refresh=self.limits.refresh)
        (line,) = timelines(block.excursions, np.rint(block.voltage_v * MICRO), 0, 1, 0)
        active, changes = self.machine.window(line.voltage_uv[:, :, None], line.ends_ms)
        self.incidents += [self._incident(one, start_s) for one in changes if not one.active]
        edges_s = np.concatenate([[0], line.ends_ms]) / 1000
        return edges_s, (np.zeros(line.ends_ms.size, np.bool_) if active is None else active[:, :, 0].max(axis=0))

    @staticmethod
    def _incident(change: Change, start_s: float) -> Incident:
        _, largest_v, smallest_v = change.voltages_v
        extreme_v = largest_v if change.kind is EventKind.SWELL else smallest_v
        return Incident(
            change.kind, start_s + change.begin_ms / 1000, (change.at_ms - change.begin_ms) / 1000, extreme_v
        )

    def _aggregate(self, power: PhasePower, start_s: float, flagged: Bools) -> None:
        assert power.voltage_h is not None, "asked for above"
        sizes = np.abs(power.voltage_h)
        harmonics = np.minimum(share(sizes, sizes[..., :1]), LARGEST_THD)
        unbalance = power.unbalance if self.phases == 3 else np.zeros(flagged.size)
        thd = np.minimum(power.voltage_thd, LARGEST_THD)
        rows = [power.voltage_v, np.minimum(unbalance, LARGEST_THD)[None], thd]
        values = np.concatenate([*rows, np.moveaxis(harmonics, 2, 1).reshape(-1, flagged.size)])
        squares, length_s = np.square(values), power.end_s - power.begin_s
        interval = ((start_s + power.begin_s) // TEN_MINUTES_S).astype(np.int64)
        for number in np.unique(interval).tolist():
            own = np.flatnonzero(interval == number)
            sums = self._tens.setdefault(number, _Sums(np.zeros(len(values))))
            sums.squares += (squares[:, own] * length_s[own]).sum(axis=1)
            sums.length_s += float(length_s[own].sum())
            sums.flagged |= bool(flagged[own].any())
            for first in range(0, own.size - WINDOWS_OF_3_S + 1, WINDOWS_OF_3_S):
                group = own[first : first + WINDOWS_OF_3_S]
                end_s = start_s + float(power.end_s[group[-1]])
                self._threes.append((end_s, squares[:, group].mean(axis=1), bool(flagged[group].any())))

    def _measure_frequency(self, power: PhasePower, start_s: float, edges_s: Doubles, active: Bools) -> None:
        end_s, hertz = frequency_10_s(start_s + power.reference.edges_s[::2])
        whole = (end_s - FREQUENCY_S >= start_s - _SLACK_S) & (end_s <= self.stop_s + 1e-6)
        ends = end_s[whole].astype(np.float64)
        flagged = _touched(edges_s, active, ends - FREQUENCY_S - start_s, ends - start_s)
        self._frequencies.append(Frequencies(ends, hertz[whole], flagged))

    def _see(self, wave: Waveform, start_s: float, lamp: Lamp) -> None:
        """Pst of each phase in the ten minutes that lie wholly within what is known once the filters have settled."""
        rate_hz, voltage_v = wave.sample_rate_hz, wave.voltage_v
        if self._settling is not None and self._settling.sample_rate_hz == rate_hz:
            start_s -= self._settling.voltage_v.shape[1] / rate_hz
            voltage_v = np.concatenate([self._settling.voltage_v, voltage_v], axis=1)
        tail_v = voltage_v[:, -round(SETTLE_S * rate_hz) :].copy()
        self._settling = Waveform(tail_v, tail_v, rate_hz)
        first, severities = pst_of_ten_minutes(voltage_v, rate_hz, start_s, self.limits.nominal_hz, lamp)
        for number, column in enumerate(severities.T.tolist(), first):
            self._flicker[number] = column

    @property
    def three_seconds(self) -> Aggregates:
        """150 cycles at 50 Hz, 180 at 60 Hz: fifteen windows, begun anew at each ten minutes."""
        columns = [squares for _, squares, _ in self._threes]
        return self._given([one for one, _, _ in self._threes], columns, [flag for *_, flag in self._threes])

    @property
    def ten_minutes(self) -> Aggregates:
        """Whole ten minutes of UTC."""
        return self._intervals(TEN_MINUTES_S)

    @property
    def two_hours(self) -> Aggregates:
        """Whole two hours of UTC, out of twelve times ten minutes."""
        return self._intervals(TWO_HOURS_S)

    @property
    def frequency(self) -> Frequencies:
        """Whole ten seconds of UTC."""
        parts = [Frequencies(np.zeros(0), np.zeros(0), np.zeros(0, np.bool_)), *self._frequencies]
        return Frequencies(
            np.concatenate([part.end_s for part in parts]),
            np.concatenate([part.hertz for part in parts]),
            np.concatenate([part.flagged for part in parts]),
        )

    @property
    def short_flicker(self) -> tuple[Ints, Doubles]:
        """Pst of whole ten minutes: (end (UTC) of each, (phase, interval))."""
        numbers = sorted(self._flicker)
        values = np.array([self._flicker[number] for number in numbers]).reshape(-1, self.phases)
        return (np.array(numbers, np.int64) + 1) * PST_S, values.T

    @property
    def long_flicker(self) -> Doubles:
        """Plt, (phase, interval), of the whole two hours of UTC."""
        end_s, values = self.short_flicker
        hours = (end_s - 1) // TWO_HOURS_S
        whole = [hour for hour in np.unique(hours) if (hours == hour).sum() == TWO_HOURS_S // PST_S]
        return plt(values[:, np.isin(hours, whole)])

    def week(self) -> list[Verdict]:
        """What EN 50160 says of what was recorded, a week if it is to mean anything; without flagged intervals.

        Flicker is judged when two hours of it are there.  EngineError when no ten minutes are.
        """
        tens = self.ten_minutes
        flicker = self.long_flicker
        return en_50160(
            tens.voltage_v,
            self.frequency.hertz,
            declared_v=self.limits.declared_v,
            nominal_hz=self.limits.nominal_hz,
            unbalance=tens.unbalance if self.phases == 3 else None,
            thd=tens.voltage_thd,
            harmonics={order: tens.harmonics[..., order - 1] for order in range(2, self.orders + 1)},
            flagged=tens.flagged,
            long_flicker=flicker if flicker.size else None,
        )

    def _intervals(self, length_s: int) -> Aggregates:
        """Intervals that are measured but for the slack of each ten minutes within them."""
        parts = length_s // TEN_MINUTES_S
        whole = {n: sums for n, sums in self._tens.items() if sums.length_s >= TEN_MINUTES_S - _SLACK_S}
        members = {
            number: range(number * parts, (number + 1) * parts) for number in sorted({n // parts for n in whole})
        }
        groups = {n: [whole[m] for m in range_] for n, range_ in members.items() if all(m in whole for m in range_)}
        return self._given(
            [(number + 1.0) * length_s for number in groups],
            [np.mean([one.squares / one.length_s for one in group], axis=0) for group in groups.values()],
            [any(one.flagged for one in group) for group in groups.values()],
        )

    def _given(self, end_s: list[float], squares: list[Doubles], flagged: list[bool]) -> Aggregates:
        rows = np.sqrt(np.array(squares).reshape(len(end_s), -1).T) if squares else np.zeros((self._rows, 0))
        phases, orders = self.phases, self.orders
        harmonics = rows[2 * phases + 1 :].reshape(phases, orders, -1)
        return Aggregates(
            np.array(end_s),
            rows[:phases],
            rows[phases],
            rows[phases + 1 : 2 * phases + 1],
            np.moveaxis(harmonics, 1, 2),
            np.array(flagged, np.bool_),
        )

    @property
    def _rows(self) -> int:
        return 2 * self.phases + 1 + self.phases * self.orders


def _touched(edges_s: Doubles, active: Bools, begin_s: Doubles, end_s: Doubles) -> Bools:
    """Which of the times from begin to end an event goes on in."""
    grown = np.concatenate([[0.0], np.cumsum(np.diff(edges_s) * active)])
    touched: Bools = np.interp(end_s, edges_s, grown) - np.interp(begin_s, edges_s, grown) > 1e-9
    return touched
