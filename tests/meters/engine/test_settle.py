"""Settling recorded powers at once comes to what the engine registers, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import Block, Config, Engine, EngineError, Every, Kind, LogName, LogSpec, Measurand, Quantity, Wiring
from meters.engine.commands import SetTariff
from meters.engine.settle import STEPS, WIDTH, Settlement, settle
from tests.meters.engine.reference import START_S

REGISTERS = (*list(Measurand)[:2], *list(Measurand)[4:8])
PROFILE = tuple(Quantity(measurand, Kind.ENERGY) for measurand in list(Measurand)[:4])


@dataclass(frozen=True)
class Powers:
    active_w: np.ndarray
    reactive_var: np.ndarray

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        steps = slice((start_s - START_S) // step_s, (stop_s - START_S) // step_s)
        active_w, reactive_var = (a[:, steps, meters.start : meters.stop] for a in (self.active_w, self.reactive_var))
        return Block.from_power(active_w, reactive_var, np.full(active_w.shape, 230.0))


def lived(powers: Powers, step_s: int, tariff: np.ndarray, period_s: int) -> Settlement:
    """The same by an engine that lives through it."""
    _, steps, meters = powers.active_w.shape
    logs = {LogName.LOAD_PROFILE: LogSpec(PROFILE, Every(period_s), steps)}
    wiring = Wiring.THREE_PHASE if len(powers.active_w) == 3 else Wiring.ONE_PHASE
    engine = Engine(Config(wiring, step_s=step_s, logs=logs), powers, START_S, meters)
    for step, number in enumerate(tariff.tolist()):
        engine.command(None, SetTariff(number), START_S + step * step_s)
    engine.advance(START_S + steps * step_s)

    def registers(**which: int) -> list[np.ndarray]:
        return [engine.registers(Quantity(m, Kind.ENERGY, exponent=-6, **which)) for m in REGISTERS]

    phases = [0, *wiring.phases]
    total = np.stack([registers(phase=phase) for phase in phases], axis=1)
    tariffs = np.stack([registers(tariff=number) for number in range(1, 9)], axis=1)
    rows = [engine.profile.rows(meter, 0, engine.profile.count(meter)).columns for meter in range(meters)]
    return Settlement(total, tariffs, np.moveaxis(np.array(rows), 0, -1))


def assert_equal(one: Settlement, other: Settlement) -> None:
    for name in ("total_uwh", "tariff_uwh", "profile_wh"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@given(
    seed=st.integers(0, 10**6),
    phases=st.sampled_from((1, 3)),
    steps_per_period=st.sampled_from((1, 3, 15)),
    periods=st.integers(1, 12),
    single=st.booleans(),
)
def test_it_is_what_an_engine_registers(
    seed: int, phases: int, steps_per_period: int, periods: int, single: bool
) -> None:
    """Also of powers in single precision, which are multiplied in double precision."""
    rng = np.random.default_rng(seed)
    shape = (phases, steps_per_period * periods, 3)
    kind = np.float32 if single else np.float64
    scale = 10.0 ** rng.integers(0, 5, shape)
    powers = Powers(
        (rng.normal(0.3, 1.0, shape) * scale).astype(kind), (rng.normal(0.1, 1.0, shape) * scale).astype(kind)
    )
    tariff = np.sort(rng.integers(1, 9, shape[1])) if seed % 2 else rng.integers(1, 9, shape[1])
    step_s = 900 // steps_per_period
    settled = settle(powers.active_w, powers.reactive_var, step_s, tariff, period_s=900)
    double = Powers(powers.active_w.astype(np.float64), powers.reactive_var.astype(np.float64))
    assert_equal(settled, lived(double, step_s, tariff, 900))
    np.testing.assert_array_equal(settled.tariff_uwh.sum(axis=1), settled.total_uwh[:, 0])


def test_many_meters_and_steps_are_cut_without_a_trace() -> None:
    rng = np.random.default_rng(5)
    shape = (1, 3 * STEPS + 5, 2 * WIDTH + 3)
    active_w, reactive_var = rng.normal(200, 900, shape), rng.normal(50, 300, shape)
    whole = settle(active_w, reactive_var, 900)
    for meter in (0, WIDTH - 1, WIDTH, 2 * WIDTH + 2):
        one = settle(active_w[:, :, meter : meter + 1], reactive_var[:, :, meter : meter + 1], 900)
        part = slice(meter, meter + 1)
        assert_equal(
            one, Settlement(whole.total_uwh[..., part], whole.tariff_uwh[..., part], whole.profile_wh[..., part])
        )
    np.testing.assert_array_equal(whole.tariff_uwh[:, 0], whole.total_uwh[:, 0])
    assert not whole.tariff_uwh[:, 1:].any()


def test_nothing_is_lost_in_a_year() -> None:
    """A third of a watt-second too little each step would be seen: 35 040 steps of 1/3 W more than a whole number."""
    active_w = np.full((1, 35_040, 1), 1000 + 1 / 3)
    settled = settle(active_w, np.zeros_like(active_w), 900)
    wanted_uwh = round((1000 + 1 / 3) * 1e6) * 35_040 // 4
    assert settled.total_uwh[:, 0, 0].tolist() == [wanted_uwh, 0, 0, 0, 0, 0]
    assert settled.profile_wh[0, -1, 0] == wanted_uwh // 10**6


@pytest.mark.parametrize("step_s", [7, 900])
def test_large_powers_stay_exact(step_s: int) -> None:
    """What is summed up would soon be more than float64 holds exactly."""
    active_w = 1e8 + np.arange(3 * STEPS + 2) / 1e6
    settled = settle(active_w[None, :, None], -active_w[None, :, None], step_s)
    uws = np.cumsum([round(power * 1e6) * step_s for power in active_w.tolist()])
    assert settled.profile_wh[0, :, 0].tolist() == (uws // 3600 // 10**6).tolist()
    assert settled.profile_wh[3, :, 0].tolist() == (uws // 3600 // 10**6).tolist()
    assert settled.total_uwh[:, 0, 0].tolist() == [uws[-1] // 3600, 0, 0, 0, 0, uws[-1] // 3600]


def test_rows_that_would_wrap_are_refused() -> None:
    """A hundred megawatts for 43 hours."""
    settle(np.full((1, 42, 1), 1e8), np.zeros((1, 42, 1)), 3600)
    with pytest.raises(EngineError, match=r"registers of meters 0\.\.0 grew beyond"):
        settle(np.zeros((1, 43, 1)), np.full((1, 43, 1), -1e8), 3600)


def test_signs_of_nothing_make_no_quadrant() -> None:
    active_w = np.array([-0.0, -1e-9, 2.29, -2.29, 2.3]).reshape(1, 5, 1)
    reactive_var = np.full((1, 5, 1), 3600.0)
    settled = settle(active_w, reactive_var, 1)
    assert settled.total_uwh[:, 0, 0].tolist() == [638, 0, 5_000_000, 0, 0, 0]
    free = settle(active_w[:, :2], reactive_var[:, :2], 1, no_load_w=0)
    assert free.total_uwh[2, 0, 0] == 2_000_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"active_w": np.ones((3, 4))}, "powers are"),
        ({"active_w": np.ones((3, 5, 2))}, "powers are"),
        ({"tariff": 9}, "tariffs"),
        ({"tariff": np.array([0, 1, 1, 1])}, "tariffs"),
        ({"step_s": 0, "period_s": 900}, "steps"),
        ({"period_s": 2700}, "do not fill"),
        ({"period_s": 1000}, "do not fill"),
        ({"active_w": np.full((3, 4, 2), np.nan)}, "no meter could measure"),
        ({"reactive_var": np.full((3, 4, 2), 1e300)}, "no meter could measure"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    arguments = {"active_w": np.ones((3, 4, 2)), "reactive_var": np.ones((3, 4, 2)), "step_s": 900} | change
    with pytest.raises(EngineError, match=message):
        settle(**arguments)  # type: ignore[arg-type]
