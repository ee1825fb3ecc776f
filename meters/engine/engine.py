"""The engine's face: any number of meters of one model, addressed by number, advanced only as far as somebody looks."""

from __future__ import annotations

import numpy as np

from meters.engine.block import Source
from meters.engine.commands import Command, LogName
from meters.engine.config import Config
from meters.engine.control import BreakerState, Control, ControlSettings
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import Event, EventKind, Logger
from meters.engine.quantity import MICRO_EXPONENT, Ints, Quantity, combine
from meters.engine.ring import Rows
from meters.engine.tile import Tile
from meters.engine.verdict import Verdict

TILE = 256
"""Meters that are stepped together at one-second steps; longer steps allow more before a window outgrows the cache."""
MAX_TILE = 2048


class Engine:
    """Meters 0 .. `meters`-1 of one model, all alive since `start_s` (UTC seconds).

    `advance` lets time pass, for all meters at once or lazily; nothing measured depends on which, or on the pieces in
    which time passes.  `first` is the number of meter 0 for an engine that is a part of a fleet: the source and its
    seeds see `first + meter`.  `tile` meters are stepped together (0: a good number for the step).
    """

    def __init__(
        self, config: Config, source: Source, start_s: int, meters: int = 1, *, first: int = 0, tile: int = 0
    ) -> None:
        tile = tile or min(MAX_TILE, TILE * config.step_s)
        if meters < 1 or tile < 1:
            raise EngineError(f"{meters} meters in tiles of {tile} are nothing to simulate")
        if start_s % config.step_s:
            raise EngineError(f"start {start_s} is not a multiple of the step, {config.step_s} s")
        self.config, self.first, self.meters, self.tile = config, first, meters, tile
        self.now_s = start_s
        numbers = range(first, first + meters)
        self.tiles = [Tile(config, source, numbers[at : at + tile], start_s) for at in range(0, meters, tile)]

    def advance(self, until_s: int, *, lazily: bool = False) -> None:
        """Let time pass up to `until_s` (UTC; whole steps only).  Going back is an EngineError.

        `lazily` only sets the goal: each tile follows when one of its meters is read or commanded.
        """
        if until_s < self.now_s:
            raise EngineError(f"time does not go back from {self.now_s} to {until_s}")
        self.now_s = until_s
        if not lazily:
            for tile in self.tiles:
                tile.advance(until_s)

    def command(self, meter: int | None, command: Command, at_s: int | None = None) -> None:
        """Do something to one meter, or to all of them (None), at the first step boundary not before `at_s` (default:
        now).  A moment that is already past for the meter counts as now."""
        at_s = self.now_s if at_s is None else at_s
        if meter is None:
            for tile in self.tiles:
                tile.command(tile.all, command, at_s)
            return
        tile, index = self._place(meter)
        tile.command(np.array([index]), command, at_s)

    def register(self, quantity: Quantity, meter: int = 0) -> int:
        """The integer that the meter's register shows now, in units of ten to the quantity's exponent."""
        tile, index = self._current(meter)
        return int(tile.read(quantity, np.int64(index)))  # type: ignore[arg-type]  # a scalar index works like an array

    def registers(self, quantity: Quantity) -> Ints:
        """The same of every meter at once."""
        for tile in self.tiles:
            tile.advance(self.now_s)
        return np.concatenate([tile.read(quantity, tile.all) for tile in self.tiles])

    def clock_s(self, meter: int = 0) -> int:
        """What the meter's clock shows, UTC seconds."""
        tile, index = self._current(meter)
        return int(self.now_s + tile.clock_offset_s[index])

    def tariff(self, meter: int = 0) -> int:
        """The tariff 1..8 that counts now."""
        tile, index = self._current(meter)
        return int(tile.tariff[index])

    def has_supply(self, meter: int = 0) -> bool:
        """Whether the meter is alive: not in a power failure."""
        tile, index = self._current(meter)
        return bool(tile.has_supply[index])

    def inputs(self, meter: int = 0) -> int:
        """The `Input` bits of the last step."""
        tile, index = self._current(meter)
        return int(tile.inputs[index])

    def is_active(self, kind: EventKind, meter: int = 0, phase: int = 0) -> bool:
        """Whether a voltage condition (MISSING_PHASE, UNDER_VOLTAGE, OVER_VOLTAGE with phase; POWER_FAIL; with
        `Config.power_quality` DIP, SWELL, INTERRUPTION) holds now."""
        tile, index = self._current(meter)
        machines = (tile.supervision, tile.quality)
        return any(machine.is_active(kind, phase, index) for machine in machines if machine is not None)

    def breaker(self, meter: int = 0) -> BreakerState:
        """State of the breaker.  EngineError when the model has none."""
        control, index = self._control(meter)
        return BreakerState(int(control.breaker[index]))

    def control_settings(self, meter: int = 0) -> ControlSettings:
        """What the meter's limiter, over-voltage, neutral-fault and prepayment functions are set to."""
        control, index = self._control(meter)
        return control.settings[index]

    def credit_wh(self, meter: int = 0) -> int:
        """Prepaid energy that is left, whole Wh; negative when more was used (see `Control.remaining_uwh`)."""
        control, index = self._control(meter)
        tile, _ = self._current(meter)
        return int(control.remaining_uwh(tile.energy.total[0, 0])[index] // 10**MICRO_EXPONENT)

    def pulses(self, output: str, meter: int = 0) -> int:
        """Pulses that an output has given since the meter was made.  EngineError when the model has none of that name."""
        tile, index = self._current(meter)
        one = self.config.output(output)
        return int(one.count(combine(tile.energy.total[:, 0], one.measurand, index)))

    def pulse_times(self, output: str, meter: int = 0) -> Doubles:
        """When an output gave its pulses since this was asked last, seconds of true UTC; the first time nothing.

        EngineError when the load was too large for the output to follow, and when nobody asked for too long.
        """
        tile, index = self._current(meter)
        return tile.watch(output, index).take()

    def week(self, meter: int = 0, *, so_far: bool = False) -> list[Verdict]:
        """What EN 50160 says of the last whole week (Monday to Sunday, UTC), or of this one so far.

        Distortion, harmonics and flicker are judged when the source's blocks carry them for whole intervals, and are
        "not measured" otherwise.  EngineError without `Config.power_quality` or before a week is over.
        """
        tile, index = self._current(meter)
        if tile.counters is None:
            raise EngineError("no verdict: these meters do not watch the power quality")
        return tile.counters.verdicts(index, so_far=so_far)

    def events(self, logger: Logger, meter: int = 0) -> list[Event]:
        """The lines of an event logger, oldest first."""
        tile, index = self._current(meter)
        return tile.events.of(index, logger)

    def period_s(self, meter: int = 0, log: LogName = LogName.LOAD_PROFILE) -> int:
        """The meter's period of a log; 0 for logs that follow the calendar."""
        tile, index = self._current(meter)
        return int(tile.logs[log].period_s[index])

    @property
    def profile(self) -> LogView:
        """The load profile."""
        return self.log(LogName.LOAD_PROFILE)

    def log(self, name: LogName) -> LogView:
        """One of the logs.  EngineError when the model has none of that name."""
        if name not in self.config.logs:
            raise EngineError(f"this meter has no {name} log")
        return LogView(self, name)

    def _control(self, meter: int) -> tuple[Control, int]:
        tile, index = self._current(meter)
        if tile.control is None:
            raise EngineError("this meter has no breaker")
        return tile.control, index

    def _place(self, meter: int) -> tuple[Tile, int]:
        if not 0 <= meter < self.meters:
            raise EngineError(f"meter {meter} is not 0..{self.meters - 1}")
        tile, index = divmod(meter, self.tile)
        return self.tiles[tile], index

    def _current(self, meter: int) -> tuple[Tile, int]:
        tile, index = self._place(meter)
        tile.advance(self.now_s)
        return tile, index


class LogView:
    """One log of the meters of an engine; row 0 is the oldest kept row."""

    def __init__(self, engine: Engine, name: LogName) -> None:
        self.engine, self.name = engine, name
        self.columns = engine.config.logs[name].columns
        """What the columns of `Rows` show."""

    def count(self, meter: int = 0) -> int:
        """Rows that the meter keeps."""
        tile, index = self.engine._current(meter)
        return tile.logs[self.name].ring.count(index)

    def rows(self, meter: int, first: int, last: int) -> Rows:
        """Rows [first, last).  EngineError outside of 0..count."""
        tile, index = self.engine._current(meter)
        return tile.logs[self.name].ring.rows(index, first, last)

    def table(self, from_s: int, to_s: int) -> tuple[Ints, Rows]:
        """The rows of all meters with from_s <= time <= to_s, by meter and age: (meter of each row, the rows)."""
        parts = []
        for number, tile in enumerate(self.engine.tiles):
            tile.advance(self.engine.now_s)
            meter, rows = tile.logs[self.name].ring.table(from_s, to_s)
            parts.append((meter + number * self.engine.tile, rows))
        everything = [rows for _, rows in parts]
        columns = zip(*(rows.columns for rows in everything), strict=True)
        return np.concatenate([meter for meter, _ in parts]), Rows(
            np.concatenate([rows.time_s for rows in everything]),
            np.concatenate([rows.flags for rows in everything]),
            np.concatenate([rows.ids for rows in everything]),
            tuple(np.concatenate(column) for column in columns),
        )

    def find(self, meter: int, from_s: int, to_s: int) -> Ints:
        """Indices of the rows with from_s <= time <= to_s, ascending; with gaps when the clock was set back."""
        tile, index = self.engine._current(meter)
        return tile.logs[self.name].ring.find(index, from_s, to_s)
