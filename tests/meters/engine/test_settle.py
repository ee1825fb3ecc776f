"""Settling recorded powers at once comes to what the engine registers, to the last digit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Block,
    Config,
    Engine,
    EngineError,
    Every,
    Kind,
    LogName,
    LogSpec,
    Measurand,
    NoLoad,
    Quantity,
    Summation,
    Wiring,
    kamstrup,
)
from meters.engine.commands import SetTariff
from meters.engine.settle import WIDTH, Settlement, settle
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


def lived(powers: Powers, step_s: int, tariff: np.ndarray, period_s: int, config: Config | None = None) -> Settlement:
    """The same by an engine that lives through it."""
    _, steps, meters = powers.active_w.shape
    logs = {LogName.LOAD_PROFILE: LogSpec(PROFILE, Every(period_s), steps)}
    config = config or Config(Wiring.THREE_PHASE if len(powers.active_w) == 3 else Wiring.ONE_PHASE)
    engine = Engine(replace(config, step_s=step_s, logs=logs), powers, START_S, meters)
    for step, number in enumerate(tariff.tolist()):
        engine.command(None, SetTariff(number), START_S + step * step_s)
    engine.advance(START_S + steps * step_s)

    def registers(**which: int) -> list[np.ndarray]:
        return [engine.registers(Quantity(m, Kind.ENERGY, exponent=-6, **which)) for m in REGISTERS]

    phases = [0, *config.wiring.phases]
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


MODELS = {
    "162": kamstrup.K162,
    "282": replace(kamstrup.K282, no_load=NoLoad(current_a=0.0)),
    "382": kamstrup.K382,
    "382-din": kamstrup.K382_DIN,
    "vector": Config(summation=Summation.SUM_VECTOR),
    "total": Config(summation=Summation.TOTAL_ABS),
    "162 total": Config(Wiring.ONE_PHASE, summation=Summation.TOTAL_ABS),
}
"""The limit of an Aron meter's current is not looked at; the others' only where that of the power is not the stricter."""


@pytest.mark.parametrize("model", MODELS)
@given(seed=st.integers(0, 10**6), large=st.booleans())
def test_every_model_and_summation(model: str, seed: int, large: bool) -> None:
    """Small powers as well, of which the no-load limit leaves some; and such that sums must be relieved in between."""
    config = MODELS[model]
    if large:
        config = replace(config, control=None, outputs={})
    rng = np.random.default_rng(seed)
    shape = (config.wiring.elements, 24, 3)
    scale = 10.0 ** rng.integers(6, 8, shape) if large else 10.0 ** rng.integers(0, 4, shape)
    powers = Powers(rng.normal(0.3, 2.0, shape) * scale, rng.normal(0.1, 2.0, shape) * scale)
    tariff = rng.integers(1, 4, shape[1])
    settled = settle(powers.active_w, powers.reactive_var, 300, tariff, period_s=900, summation=config.summation)
    assert_equal(settled, lived(powers, 300, tariff, 900, config))


def test_powers_of_one_sign_in_a_282_leave_nothing_exported() -> None:
    """PF 0.26: one element runs backwards, the sum does not."""
    active_w = np.array([-1031.0, 2817.0])[:, None, None] * np.ones((2, 4, 1))
    settled = settle(active_w, np.zeros_like(active_w), 900)
    assert settled.total_uwh[0, 0, 0] == 1_786_000_000
    assert not settled.total_uwh[1, 0].any()
    with pytest.raises(EngineError, match="only SUM_VECTOR"):
        settle(active_w, active_w, 900, summation=Summation.PER_PHASE)


def test_an_executor_changes_nothing() -> None:
    rng = np.random.default_rng(7)
    shape = (3, 4, WIDTH + 2)
    active_w, reactive_var = rng.normal(200, 900, shape), rng.normal(50, 300, shape)
    with ThreadPoolExecutor(2) as executor:
        shared = settle(active_w, reactive_var, 900, np.array([1, 2, 2, 8]), executor=executor)
    assert_equal(shared, settle(active_w, reactive_var, 900, np.array([1, 2, 2, 8])))


@pytest.mark.parametrize("summation", Summation)
def test_nothing_is_lost_when_sums_are_relieved(summation: Summation) -> None:
    """Against whole numbers: 2000 steps of three phases, in which the sums must be relieved often."""
    rng = np.random.default_rng(3)
    shape = (3, 2000, 2)
    p_uw, q_uvar = (np.rint(rng.normal(0, 1e7, shape) * 1e6).astype(np.int64) for _ in range(2))
    settled = settle(p_uw / 1e6, q_uvar / 1e6, 7, 4, period_s=700, summation=summation)
    assert np.array_equal(np.rint(p_uw / 1e6 * 1e6), p_uw)
    for meter in range(2):
        total, rows = [0] * 6, []
        for step in range(shape[1]):
            powers = list(zip(p_uw[:, step, meter].tolist(), q_uvar[:, step, meter].tolist(), strict=True))
            if summation is Summation.SUM_VECTOR:
                powers = [(sum(p for p, _ in powers), sum(q for _, q in powers))]
            for p, q in powers:
                if summation is Summation.TOTAL_ABS:
                    p = abs(p)
                total[p < 0] += abs(p) * 7
                total[{(True, True): 2, (False, True): 3, (False, False): 4, (True, False): 5}[p >= 0, q >= 0]] += (
                    abs(q) * 7
                )
            if step % 100 == 99:
                a_in, a_out, *q = total
                rows.append([value // 3600 // 10**6 for value in (a_in, a_out, q[0] + q[1], q[2] + q[3])])
        assert settled.total_uwh[:, 0, meter].tolist() == [value // 3600 for value in total]
        assert settled.tariff_uwh[:, 3, meter].tolist() == [value // 3600 for value in total]
        assert settled.profile_wh[:, :, meter].T.tolist() == rows


def test_many_meters_and_steps_are_cut_without_a_trace() -> None:
    rng = np.random.default_rng(5)
    shape = (1, 17, 2 * WIDTH + 3)
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
    active_w = 1e8 + np.arange(50) / 1e6
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
