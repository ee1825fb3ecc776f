"""The vectorised engine equals the scalar meter, bit for bit: all models, conventions, tariffs, demands, outputs, breakers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Config,
    ControlSettings,
    Engine,
    EventKind,
    Every,
    Flag,
    Kind,
    Logger,
    LogName,
    LogSpec,
    Measurand,
    PulseOutput,
    Quantity,
    SetTariff,
    Sliding,
    Summation,
    TopUp,
    VoltageLimits,
    tile,
)
from meters.engine.kamstrup import K162, K282, K382, K382_DIN
from tests.meters.engine.reference import CHANNELS, DEMANDS, START_S, ScalarMeter, Table

ENERGY_CHANNELS = (
    Measurand.ACTIVE_IMPORT,
    Measurand.ACTIVE_EXPORT,
    Measurand.REACTIVE_Q1,
    Measurand.REACTIVE_Q2,
    Measurand.REACTIVE_Q3,
    Measurand.REACTIVE_Q4,
    Measurand.APPARENT_IMPORT,
    Measurand.APPARENT_EXPORT,
)
MODELS = {
    "162": K162,
    "282": K282,
    "382": K382,
    "382 DIN": K382_DIN,
    "vector": replace(K382, summation=Summation.SUM_VECTOR),
    "absolute": replace(K382, summation=Summation.TOTAL_ABS),
}
OUTPUTS = {
    "led": PulseOutput(per_kwh=10_000, on_ms=1, off_ms=1),
    "s0": PulseOutput(Measurand.REACTIVE_EXPORT, per_kwh=5000, divisor=4, on_ms=1, off_ms=1),
}
SETTINGS = ControlSettings(
    limit=40.0,
    factors=(2.0, 1.5, 1.0),
    times_s=(2, 5, 9),
    connect_wait_s=20,
    automatic=True,
    over_voltage_v=265.0,
    over_voltage_s=3,
    reconnect_v=260.0,
    reconnect_s=15,
    neutral_fault=True,
    neutral_s=4,
)


def energy(measurand, **which) -> Quantity:
    return Quantity(measurand, Kind.ENERGY, exponent=-6, **which)


def random_table(seed: int, elements: int, steps: int, meters: int, step_s: int) -> Table:
    """Loads around the no-load limit and far above it, both directions, with outages of single and of all phases, and
    voltages too low and too high."""
    rng = np.random.default_rng(seed)
    shape = (elements, steps, meters)
    scale = rng.choice([3.0, 2000.0, 20_000.0], (elements, 1, meters))
    active_w, reactive_var = rng.normal(0, scale, shape), rng.normal(0, scale / 2, shape)
    active_w[rng.random(shape) < 0.02] = 0.0
    voltage_v = rng.normal(230, 3, shape)
    voltage_v[rng.random(shape) < 0.02] = 100.0
    for level in (159.9, 0.0, 160.0, 200.0, 255.0, 270.0):
        begin, length = rng.integers(steps), rng.integers(1, max(2, steps // 4))
        element = rng.integers(elements) if rng.random() < 0.5 else slice(None)
        voltage_v[element, begin : begin + length, rng.integers(meters)] = level
    current_a = np.hypot(active_w, reactive_var) / np.maximum(voltage_v, 1.0)
    return Table(active_w, reactive_var, voltage_v, current_a, step_s)


def run_scalar(
    table: Table, meter: int, config: Config, tariffs: dict[int, int], top_ups: dict[int, int]
) -> ScalarMeter:
    scalar = ScalarMeter(config)
    for number, step in enumerate(table.steps_of(meter)):
        if number in tariffs:
            scalar.switch_tariff(tariffs[number])
        if number in top_ups and scalar.breaker is not None:
            scalar.breaker.top_up(top_ups[number])
        scalar.step(*step)
    scalar.close_tariff()
    return scalar


@st.composite
def settings(draw, step_s):
    prepayment = draw(st.booleans())
    return replace(
        SETTINGS,
        by_power=draw(st.booleans()),
        limit=draw(st.sampled_from((0.0, 5.0, 40.0))),
        additive=draw(st.booleans()),
        log_only=draw(st.booleans()),
        automatic=draw(st.booleans()),
        over_voltage_v=draw(st.sampled_from((0.0, 265.0))),
        neutral_fault=draw(st.booleans()),
        prepayment=prepayment,
        # the first step of the table is on a Thursday
        working_days=draw(st.sampled_from((0b111_1111, 0b111_0111, 0b000_1000))),
    )


@st.composite
def fleets(draw):
    config = draw(st.sampled_from(sorted(MODELS)).map(MODELS.__getitem__))
    step_s, steps = draw(st.sampled_from([(1, 660), (20, 60), (300, 7), (900, 4)]))
    period_s = max(300, step_s)
    columns = (
        *(Quantity(m, Kind.ENERGY, exponent=1) for m in ENERGY_CHANNELS[:2]),
        Quantity(Measurand.ACTIVE_IMPORT, Kind.MEAN),
        *(Quantity(m, Kind.MEAN, phase=1, exponent=-6) for m in (Measurand.VOLTAGE, Measurand.CURRENT)),
    )
    config = replace(
        config,
        step_s=step_s,
        voltage=VoltageLimits(level_hold_s=draw(st.sampled_from((0, 30, 600)))),
        logs={LogName.LOAD_PROFILE: LogSpec(columns, Every(period_s), 50)},
        sliding=Sliding(draw(st.integers(1, 4)), draw(st.sampled_from((max(60, step_s), period_s)))),
        control=None if config.control is None else draw(settings(step_s)),
        outputs=OUTPUTS,
    )
    table = random_table(draw(st.integers(0, 2**32)), config.wiring.elements, steps, draw(st.integers(1, 3)), step_s)
    tariffs = draw(st.dictionaries(st.integers(0, steps - 1), st.integers(1, 8), max_size=4))
    top_ups = draw(st.dictionaries(st.integers(0, steps - 1), st.integers(0, 2000), max_size=2))
    cuts = sorted(draw(st.sets(st.integers(0, steps), max_size=5)))
    return config, table, tariffs, top_ups, cuts, draw(st.integers(1, 4)), draw(st.integers(1, 2000))


@given(fleets())
def test_engine_equals_scalar_meter(fleet):
    config, table, tariffs, top_ups, cuts, tile_size, cells = fleet
    steps, meters = table.active_w.shape[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile, "WINDOW_CELLS", cells)
        engine = Engine(config, table, START_S, meters, tile=tile_size)
        for step, tariff in tariffs.items():
            engine.command(None, SetTariff(tariff), START_S + step * table.step_s)
        for step, energy_wh in top_ups.items() if config.control is not None else ():
            engine.command(None, TopUp(energy_wh), START_S + step * table.step_s)
        for meter in range(meters):
            for name in OUTPUTS:
                assert engine.pulse_times(name, meter).size == 0
        for cut in [*cuts, steps]:
            engine.advance(START_S + cut * table.step_s, lazily=bool(cut % 2))
        for meter in range(meters):
            compare(engine, run_scalar(table, meter, config, tariffs, top_ups), meter)


def compare(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    for channel, measurand in enumerate(ENERGY_CHANNELS):
        total = engine.register(energy(measurand), meter)
        assert total == scalar.uws[channel] // 3600
        tariffs = [engine.register(energy(measurand, tariff=tariff), meter) for tariff in range(1, 9)]
        assert tariffs == [scalar.tariff_uwh[tariff][channel] for tariff in range(1, 9)]
        assert total == sum(tariffs)
        for element, phase in enumerate(scalar.phases):
            assert engine.register(energy(measurand, phase=phase), meter) == scalar.phase_uws[element][channel] // 3600
    assert engine.register(Quantity(Measurand.HOURS, Kind.COUNT), meter) == scalar.powered_s // 3600
    compare_instants(engine, scalar, meter)
    compare_profile(engine, scalar, meter)
    compare_demands(engine, scalar, meter)
    compare_pulses(engine, scalar, meter)
    if scalar.breaker is not None:
        compare_breaker(engine, scalar, meter)


def compare_instants(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    new, voltages_uv, currents_ua = scalar.instant
    for channel, measurand in enumerate(ENERGY_CHANNELS):
        power_uw = engine.register(Quantity(measurand, Kind.INSTANT, exponent=-6), meter)
        assert power_uw == new[channel] // scalar.step_s
    for measurand, values in ((Measurand.VOLTAGE, voltages_uv), (Measurand.CURRENT, currents_ua)):
        quantities = [Quantity(measurand, Kind.INSTANT, phase, exponent=-6) for phase in scalar.phases]
        assert [engine.register(quantity, meter) for quantity in quantities] == values


def compare_profile(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    assert engine.profile.count(meter) == len(scalar.rows)
    rows = engine.profile.rows(meter, 0, len(scalar.rows))
    assert rows.time_s.tolist() == [row.time_s for row in scalar.rows]
    assert rows.columns[0].tolist() == [row.energy_uwh["a_in"] // 10**7 for row in scalar.rows]
    assert rows.columns[1].tolist() == [row.energy_uwh["a_out"] // 10**7 for row in scalar.rows]
    assert rows.columns[2].tolist() == [
        (row.mean_uw[Measurand.ACTIVE_IMPORT] + 500_000) // 10**6 for row in scalar.rows
    ]
    assert rows.columns[3].tolist() == [row.mean_uv[0] for row in scalar.rows]
    assert rows.columns[4].tolist() == [row.mean_ua[0] for row in scalar.rows]
    for flag, name in ((Flag.POWER_OUTAGE, "after_outage"), (Flag.OVER_VOLTAGE, "over"), (Flag.UNDER_VOLTAGE, "under")):
        assert [bool(flags & flag) for flags in rows.flags.tolist()] == [getattr(row, name) for row in scalar.rows]


def compare_demands(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    for measurand in DEMANDS:
        for slot in range(9):
            value, time_s = scalar.maximum.get((measurand, slot), (0, 0))
            assert engine.register(Quantity(measurand, Kind.MAX, tariff=slot, exponent=-6), meter) == value
            assert engine.register(Quantity(measurand, Kind.MAX_TIME, tariff=slot), meter) == time_s
            value, time_s = scalar.maximum.get(("sliding", measurand, slot), (0, 0))
            assert engine.register(Quantity(measurand, Kind.SLIDING_MAX, tariff=slot, exponent=-6), meter) == value
            assert engine.register(Quantity(measurand, Kind.SLIDING_MAX_TIME, tariff=slot), meter) == time_s
        last = engine.register(Quantity(measurand, Kind.SLIDING, exponent=-6), meter)
        assert last == scalar.sliding.last[measurand]
        current = engine.register(Quantity(measurand, Kind.SLIDING_CURRENT, exponent=-6), meter)
        assert current == scalar.sliding.current(measurand)


def compare_pulses(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    for name, times_s in scalar.pulse_times.items():
        assert engine.pulses(name, meter) == len(times_s)
        np.testing.assert_allclose(engine.pulse_times(name, meter), times_s, rtol=0, atol=2e-5)


def compare_breaker(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    lines = engine.events(Logger.CUT_OFF, meter)
    found = [(event.time_s, event.value) for event in lines if event.kind is EventKind.BREAKER]
    assert found == scalar.breaker.found
    assert engine.breaker(meter) is scalar.breaker.state
    if scalar.breaker.settings.prepayment:
        left_uwh = scalar.breaker.paid_uwh - scalar.uws[0] // 3600
        assert engine.credit_wh(meter) == left_uwh // 10**6


def test_the_fleets_move_breakers_for_every_reason():
    """Else the comparison above would say nothing about them."""
    found = set()
    for seed in range(6):
        table = random_table(seed, 3, 660, 3, 1)
        config = replace(K382, logs=K382.logs, control=replace(SETTINGS, prepayment=True, limit=40.0))
        for meter in range(3):
            scalar = run_scalar(table, meter, config, {}, {0: 300})
            found |= {state for _, state in scalar.breaker.found}
    assert {state.name for state in found} >= {"CUT_OFF", "CONNECTED", "OVER_VOLTAGE", "PREPAYMENT"}


def test_channels_have_one_order():
    assert len(CHANNELS) == len(ENERGY_CHANNELS)
