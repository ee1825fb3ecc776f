"""A day of quarter hours of a fleet done in other ways: plain loops and pandas, from the same powers of the phases.

The work: with the meter's no-load limits, A+, A-, Q1..Q4 of the whole meter and of each phase, the same of the whole
meter in each of eight tariffs, and the profile of A+, A-, R+, R- in whole Wh at the end of each quarter hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from meters.engine import Block, Config, Every, Kind, LogName, LogSpec, Measurand, Quantity, Switch, TariffPlan

START_S = 1_767_225_600
DAY_S, PERIOD_S = 86_400, 900
STEPS = DAY_S // PERIOD_S
TARIFFS = 8
REGISTERS = tuple(list(Measurand)[:2] + list(Measurand)[4:8])
"""A+, A-, Q1..Q4."""
WH = tuple(Quantity(measurand, Kind.ENERGY) for measurand in list(Measurand)[:4])
LOGS = {LogName.LOAD_PROFILE: LogSpec(WH, Every(PERIOD_S), 200)}
PLAN = TariffPlan(tuple(Switch(180 * number, number + 1) for number in range(TARIFFS)))
CONFIG = Config(step_s=PERIOD_S, logs=LOGS, tariff_plan=PLAN, normal_offset_s=0)
VOLTAGE_V = 230.0
UWS_PER_UWH, UW_PER_W = 3600, 10**6
Profile = list[tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class Registers:
    """Micro-Wh of one meter by REGISTERS: whole and phases, tariffs; and the profile in Wh."""

    total: list[list[int]]
    tariff: list[list[int]]
    profile: Profile


class Powers:
    """A source of ready powers (phase, time, meter) and their currents, at one voltage."""

    def __init__(self, meters: int, steps: int = STEPS, step_s: int = PERIOD_S, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        shape = (3, steps, meters)
        self.step_s, self.start_s, self.meters = step_s, START_S, meters
        self.active_w = rng.standard_normal(shape)
        self.active_w *= 900.0
        self.active_w += 500.0
        self.reactive_var = rng.standard_normal(shape)
        self.reactive_var *= 200.0
        self.reactive_var += 100.0
        self.current_a = np.hypot(self.active_w, self.reactive_var)
        self.current_a /= VOLTAGE_V
        self.voltage_v = np.broadcast_to(VOLTAGE_V, shape)

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        times = slice((start_s - START_S) // step_s, (stop_s - START_S) // step_s)
        who = slice(meters.start, meters.stop)
        arrays = (self.active_w, self.reactive_var, self.voltage_v, self.current_a)
        return Block(*(array[:, times, who] for array in arrays))

    def read(self) -> float:
        """Look at every power once."""
        return float(self.active_w.sum() + self.reactive_var.sum())


def tariff_of(step: Any) -> Any:
    """Tariff 1..8 of a quarter hour, or of an index of them: three hours each."""
    return step * PERIOD_S // (3 * 3600) + 1


def plain_loop(powers: Powers, meters: int) -> list[Registers]:
    """The first so many meters, one value after the other, in integers."""
    out = []
    for meter in range(meters):
        active, reactive = (array[:, :, meter].tolist() for array in (powers.active_w, powers.reactive_var))
        out.append(_one_meter(active, reactive))
    return out


def _one_meter(active_w: list[list[float]], reactive_var: list[list[float]]) -> Registers:
    sums = [[0] * 6 for _ in range(4)]
    total = [0] * 6
    tariff = [[0] * 6 for _ in range(TARIFFS)]
    profile: Profile = []
    for step in range(len(active_w[0])):
        for phase in range(3):
            p_uw, q_uvar = round(active_w[phase][step] * 1e6), round(reactive_var[phase][step] * 1e6)
            if -2_300_000 < p_uw < 2_300_000:
                p_uw = 0
            if -2_300_000 < q_uvar < 2_300_000:
                q_uvar = 0
            one = sums[phase + 1]
            if p_uw >= 0:
                one[0] += p_uw * PERIOD_S
                one[2 if q_uvar >= 0 else 5] += abs(q_uvar) * PERIOD_S
            else:
                one[1] -= p_uw * PERIOD_S
                one[3 if q_uvar >= 0 else 4] += abs(q_uvar) * PERIOD_S
        now = tariff[tariff_of(step) - 1]
        for register in range(6):
            whole = (sums[1][register] + sums[2][register] + sums[3][register]) // UWS_PER_UWH
            now[register] += whole - total[register]
            total[register] = whole
        rows = (total[0], total[1], total[2] + total[3], total[4] + total[5])
        profile.append(tuple(value // UW_PER_W for value in rows))  # type: ignore[arg-type]  # four of them
    phases = [[value // UWS_PER_UWH for value in one] for one in sums[1:]]
    return Registers([total, *phases], tariff, profile)


def long_table(powers: Powers, meters: int) -> Any:
    """The first so many meters as pandas would have them: one row a meter, quarter hour and phase."""
    import pandas

    shape = (3, STEPS, meters)
    phase, step, meter = np.indices(shape)
    return pandas.DataFrame(
        {
            "meter": meter.ravel(),
            "step": step.ravel(),
            "phase": phase.ravel(),
            "p": powers.active_w[:, :, :meters].ravel(),
            "q": powers.reactive_var[:, :, :meters].ravel(),
        }
    )


def with_pandas(frame: Any) -> tuple[Any, Any, Any]:
    """Micro-Wh of phases and of tariffs, and the profile in whole Wh, exact as the loop: vectorised columns and groupby."""
    p, q = ((column * 1e6).round().astype("int64") for column in (frame.p, frame.q))
    limit_uw = 2_300_000
    quadrants = _quadrants(frame, p.where(p.abs() >= limit_uw, 0), q.where(q.abs() >= limit_uw, 0))
    names = list(quadrants.columns[3:])
    quadrants[names] *= PERIOD_S
    phases = quadrants.groupby(["meter", "phase"])[names].sum() // UWS_PER_UWH
    total = quadrants.groupby(["meter", "step"])[names].sum().groupby("meter").cumsum() // UWS_PER_UWH
    tariff = tariff_of(total.index.get_level_values("step"))
    gained = total.groupby("meter").diff().fillna(total).astype("int64")
    tariffs = gained.groupby(["meter", tariff]).sum()
    profile = total.assign(r_in=total.q1 + total.q2, r_out=total.q3 + total.q4)[["a_in", "a_out", "r_in", "r_out"]]
    return phases, tariffs, profile // UW_PER_W


def _quadrants(frame: Any, p: Any, q: Any) -> Any:
    """A+, A-, Q1..Q4 of every row."""
    forward, inductive, size = p >= 0, q >= 0, q.abs()
    return frame[["meter", "step", "phase"]].assign(
        a_in=p.clip(lower=0),
        a_out=-p.clip(upper=0),
        q1=size.where(forward & inductive, 0),
        q2=size.where(~forward & inductive, 0),
        q3=size.where(~forward & ~inductive, 0),
        q4=size.where(forward & ~inductive, 0),
    )
