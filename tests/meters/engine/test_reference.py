"""The vectorised engine equals the scalar meter, bit for bit, on random fleets, cuts, tiles and commands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Config,
    Engine,
    Every,
    Kind,
    LogName,
    LogSpec,
    Measurand,
    Quantity,
    SetTariff,
    Summation,
    Wiring,
    tile,
)
from tests.meters.engine.reference import CHANNELS, START_S, ScalarMeter, Table, demands

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


def energy(measurand, **which) -> Quantity:
    return Quantity(measurand, Kind.ENERGY, exponent=-6, **which)


def random_table(seed: int, wiring: Wiring, steps: int, meters: int, step_s: int) -> Table:
    """Loads around the no-load limit and far above it, both directions, with outages of single and of all phases."""
    rng = np.random.default_rng(seed)
    shape = (wiring.elements, steps, meters)
    scale = rng.choice([3.0, 2000.0, 70_000.0], (wiring.elements, 1, meters))
    active_w, reactive_var = rng.normal(0, scale, shape), rng.normal(0, scale / 2, shape)
    active_w[rng.random(shape) < 0.02] = 0.0
    voltage_v = rng.normal(230, 3, shape)
    voltage_v[rng.random(shape) < 0.02] = 100.0
    for _ in range(3):
        begin, length, who = rng.integers(steps), rng.integers(1, steps), rng.integers(meters)
        voltage_v[:, begin : begin + length, who] = rng.choice([159.9, 0.0, 160.0])
    current_a = np.hypot(active_w, reactive_var) / np.maximum(voltage_v, 1.0)
    return Table(active_w, reactive_var, voltage_v, current_a, step_s)


def run_scalar(table: Table, meter: int, summation: Summation, wiring: Wiring, tariffs: dict[int, int]) -> ScalarMeter:
    scalar = ScalarMeter(wiring, summation, table.step_s, max(300, table.step_s))
    arrays = [a[:, :, meter] for a in (table.active_w, table.reactive_var, table.voltage_v, table.current_a)]
    for step in range(arrays[0].shape[1]):
        scalar.tariff = tariffs.get(step, scalar.tariff)
        scalar.step(*(array[:, step].tolist() for array in arrays))
    return scalar


@st.composite
def fleets(draw):
    wiring = draw(st.sampled_from(Wiring))
    summation = Summation.SUM_VECTOR if wiring is Wiring.ARON else draw(st.sampled_from(Summation))
    step_s, steps = draw(st.sampled_from([(1, 660), (20, 60), (300, 7), (900, 4)]))
    table = random_table(draw(st.integers(0, 2**32)), wiring, steps, draw(st.integers(1, 4)), step_s)
    tariffs = draw(st.dictionaries(st.integers(0, steps - 1), st.integers(1, 8), max_size=4))
    cuts = sorted(draw(st.sets(st.integers(0, steps), max_size=5)))
    return wiring, summation, table, tariffs, cuts, draw(st.integers(1, 4)), draw(st.integers(1, 2000))


@given(fleets())
def test_engine_equals_scalar_meter(fleet):
    wiring, summation, table, tariffs, cuts, tile_size, cells = fleet
    steps, meters = table.active_w.shape[1:]
    columns = (
        *(Quantity(m, Kind.ENERGY, exponent=1) for m in ENERGY_CHANNELS[:2]),
        Quantity(Measurand.ACTIVE_IMPORT, Kind.MEAN),
    )
    logs = {LogName.LOAD_PROFILE: LogSpec(columns, Every(max(300, table.step_s)), 50)}
    config = Config(wiring, summation, table.step_s, logs=logs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile, "WINDOW_CELLS", cells)
        engine = Engine(config, table, START_S, meters, tile=tile_size)
        for step, tariff in tariffs.items():
            engine.command(None, SetTariff(tariff), START_S + step * table.step_s)
        for cut in [*cuts, steps]:
            engine.advance(START_S + cut * table.step_s, lazily=bool(cut % 2))
        for meter in range(meters):
            compare(engine, run_scalar(table, meter, summation, wiring, tariffs), meter)


def compare(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    for channel, measurand in zip(CHANNELS, ENERGY_CHANNELS, strict=True):
        total = engine.register(energy(measurand), meter)
        assert total == scalar.energy_uwh(scalar.uws[channel])
        assert total == sum(engine.register(energy(measurand, tariff=t), meter) for t in range(1, 9))
        for element, phase in enumerate(scalar.wiring.phases):
            expected = scalar.energy_uwh(scalar.phase_uws[element][channel])
            assert engine.register(energy(measurand, phase=phase), meter) == expected
    for tariff, sums in scalar.tariff_uws.items():
        assert abs(engine.register(energy(Measurand.ACTIVE_IMPORT, tariff=tariff), meter) - sums["a_in"] / 3600) < 8
    assert engine.register(Quantity(Measurand.HOURS, Kind.COUNT), meter) == scalar.powered_s // 3600
    compare_profile(engine, scalar, meter)
    for measurand in demands(dict.fromkeys(CHANNELS, 0)):
        for slot in range(9):
            value, time_s = scalar.maximum.get((measurand, slot), (0, 0))
            assert engine.register(Quantity(measurand, Kind.MAX, tariff=slot, exponent=-6), meter) == value
            assert engine.register(Quantity(measurand, Kind.MAX_TIME, tariff=slot), meter) == time_s


def compare_profile(engine: Engine, scalar: ScalarMeter, meter: int) -> None:
    assert engine.profile.count(meter) == len(scalar.rows)
    rows = engine.profile.rows(meter, 0, len(scalar.rows))
    assert rows.time_s.tolist() == [row.time_s for row in scalar.rows]
    assert rows.columns[0].tolist() == [row.energy_uwh["a_in"] // 10**7 for row in scalar.rows]
    assert rows.columns[1].tolist() == [row.energy_uwh["a_out"] // 10**7 for row in scalar.rows]
    assert rows.columns[2].tolist() == [
        (row.mean_uw[Measurand.ACTIVE_IMPORT] + 500_000) // 10**6 for row in scalar.rows
    ]
    assert [bool(flag & 2048) for flag in rows.flags.tolist()] == [row.after_outage for row in scalar.rows]
