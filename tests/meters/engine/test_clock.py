"""Profiles under random clock sets and power failures equal a loop over the steps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Config,
    Engine,
    Every,
    Flag,
    Kind,
    LogName,
    LogSpec,
    Measurand,
    PowerFail,
    Quantity,
    SetClockOffset,
    tile,
)
from meters.scenario import Constant
from tests.meters.engine.reference import START_S

STEP_S, PERIOD_S, STEPS = 60, 300, 60
WH = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY)
GAP = Flag.TIME_DISCONTINUITY
SIZES = ((60, Flag.CLOCK_60_S), (30, Flag.CLOCK_30_S), (15, Flag.CLOCK_15_S), (7, Flag.CLOCK_7_S))


class Loop:
    """The profile of one meter with 60 W, which is a watt-hour a minute."""

    def __init__(self) -> None:
        self.now_s, self.offset_s, self.energy_wh, self.elapsed, self.flags = START_S, 0, 0, 0, 0
        self.off, self.cut = False, False
        self.due_s = self.following()
        self.rows: list[tuple[int, int, int]] = []

    def following(self) -> int:
        return ((self.now_s + self.offset_s) // PERIOD_S + 1) * PERIOD_S

    def set_clock(self, offset_s: int) -> None:
        change_s, self.offset_s = offset_s - self.offset_s, offset_s
        flags = 0
        if change_s:
            flags = Flag.CLOCK_FORWARD if change_s > 0 else Flag.CLOCK_BACKWARD
            flags |= next((flag for size_s, flag in SIZES if abs(change_s) >= size_s), Flag(0))
        self.flags |= flags
        left = self.following() != self.due_s
        if left:
            self.flags |= GAP
            if self.elapsed:
                self.close()
            self.flags |= GAP
        self.due_s = self.following()

    def step(self) -> None:
        self.off = self.cut
        if self.off:
            self.flags |= Flag.POWER_OUTAGE | GAP
        else:
            self.energy_wh += 1
        self.elapsed += 1
        self.now_s += STEP_S
        if self.now_s + self.offset_s >= self.due_s:
            self.close()
            self.due_s = self.following()

    def close(self) -> None:
        self.elapsed = 0
        if not self.off:
            self.rows.append((self.due_s, self.energy_wh, int(self.flags)))
            self.flags = 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, STEPS - 1),
            st.one_of(st.booleans(), st.sampled_from([0, 5, -9, 20, 45, -45, 240, -3000]), st.integers(-2000, 2000)),
        ),
        max_size=8,
    ),
    st.integers(1, 200),
)
def test_profile_equals_a_loop(happenings, cells):
    happenings.sort(key=lambda happening: happening[0])
    loop = Loop()
    logs = {LogName.LOAD_PROFILE: LogSpec((WH,), Every(PERIOD_S), 100)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile, "WINDOW_CELLS", cells)
        engine = Engine(Config(step_s=STEP_S, logs=logs), Constant([60.0, 0.0, 0.0]), START_S, 2)
        for step, what in happenings:
            command = PowerFail(what) if isinstance(what, bool) else SetClockOffset(what)
            engine.command(1, command, START_S + step * STEP_S)
        engine.advance(START_S + STEPS * STEP_S)
        for step in range(STEPS):
            for when, what in happenings:
                if when == step and isinstance(what, bool):
                    loop.cut = what
                elif when == step:
                    loop.set_clock(what)
            loop.step()
        rows = engine.profile.rows(1, 0, engine.profile.count(1))
        columns = (rows.time_s, rows.columns[0], rows.flags)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == loop.rows
        assert engine.register(WH, 1) == loop.energy_wh
        other = engine.profile.rows(0, 0, engine.profile.count(0))
        assert other.columns[0].tolist() == [5 * n for n in range(1, STEPS // 5 + 1)]
        assert not other.flags.any()
