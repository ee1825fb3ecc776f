"""What is measured does not depend on block size, cuts, tiles, shards, or the order of reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import Config, Engine, Kind, Logger, LogName, Measurand, Quantity, SetTariff, tile
from meters.scenario import Fault, FaultKind, Faults, Household
from tests.meters.engine.reference import DAY_S, START_S

SPAN_S = 3000
SOURCE = Faults(
    Household(11, photovoltaics_w=3000, drops_per_day=40),
    (
        Fault(FaultKind.PHASE_LOSS, START_S + 100, START_S + 190, phase=2),
        Fault(FaultKind.POWER_FAIL, START_S + 1000, START_S + 2000, meter=3),
        Fault(FaultKind.SAG, START_S + 300, START_S + 1500, meter=1, level=0.85),
        Fault(FaultKind.SAG, START_S + 200, START_S + 1700, meter=4, level=1.15, phase=3),
        Fault(FaultKind.MAGNET, START_S + 50, START_S + 60, meter=2),
    ),
)


def fingerprint(engine: Engine, meter: int) -> list:
    kinds = [Quantity(m, Kind.ENERGY, tariff=t, exponent=-6) for m in list(Measurand)[:8] for t in (0, 2)]
    kinds += [Quantity(Measurand.ACTIVE_IMPORT, kind, exponent=-6) for kind in (Kind.MAX, Kind.INSTANT, Kind.MEAN)]
    kinds += [Quantity(Measurand.VOLTAGE, Kind.MEAN, phase=p, exponent=-6) for p in (1, 2, 3)]
    out = [engine.register(quantity, meter) for quantity in kinds]
    for name in (LogName.LOAD_PROFILE, LogName.ANALYSIS):
        rows = engine.log(name).rows(meter, 0, engine.log(name).count(meter))
        out += [rows.time_s.tolist(), rows.flags.tolist(), *(column.tolist() for column in rows.columns)]
    return [*out, engine.events(Logger.VOLTAGE, meter), engine.events(Logger.STATUS, meter)]


def engine_of(meters: int = 5, **more) -> Engine:
    engine = Engine(Config(), SOURCE, START_S, meters, **more)
    engine.command(None, SetTariff(2), START_S + 777)
    return engine


@pytest.fixture(scope="module")
def expected() -> list:
    engine = engine_of()
    engine.advance(START_S + SPAN_S)
    assert engine.events(Logger.VOLTAGE, 3)
    assert engine.events(Logger.STATUS, 2)
    return [fingerprint(engine, meter) for meter in range(5)]


@given(
    st.integers(1, 5),
    st.integers(1, 20_000),
    st.lists(st.integers(1, SPAN_S), max_size=6),
    st.permutations(range(5)),
    st.booleans(),
)
def test_cuts_tiles_and_order(expected, tile_size, cells, cuts, order, lazily):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile, "WINDOW_CELLS", max(cells, 1500))
        engine = engine_of(tile=tile_size)
        for cut in sorted(cuts):
            engine.advance(START_S + cut, lazily=lazily)
            engine.register(Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY), order[0])
        engine.advance(START_S + SPAN_S, lazily=lazily)
        assert {meter: fingerprint(engine, meter) for meter in order} == dict(enumerate(expected))


def test_shards(expected):
    for first in range(5):
        engine = engine_of(1, first=first)
        engine.advance(START_S + SPAN_S)
        assert fingerprint(engine, 0) == expected[first]


@given(st.integers(1, 86_400), st.integers(1, 600), st.integers(0, 3))
def test_a_source_is_a_pure_function(begin, length, first):
    begin_s = START_S + begin
    whole = SOURCE.block(begin_s, begin_s + length, 1, range(5))
    middle = begin_s + length // 2
    part = SOURCE.block(middle, begin_s + length, 1, range(first, 5))
    for name in ("active_w", "reactive_var", "voltage_v", "current_a"):
        assert np.array_equal(getattr(whole, name)[:, length // 2 :, first:], getattr(part, name))


def test_what_the_length_of_steps_changes_and_what_not():
    """Net energies are those of any steps; import and export net within a step, S is that of the means."""
    energies = {}
    for step_s in (10, 60, 900):
        engine = Engine(Config(step_s=step_s), Household(4, photovoltaics_w=6000), START_S + 180 * DAY_S, 4)
        engine.advance(START_S + 180 * DAY_S + DAY_S)
        energies[step_s] = {m: engine.registers(Quantity(m, Kind.ENERGY, exponent=-6)) for m in list(Measurand)[:13]}
    fine, middle, coarse = (energies[step_s] for step_s in (10, 60, 900))
    apparent = Measurand.APPARENT
    assert np.allclose(fine[Measurand.ACTIVE_NET], coarse[Measurand.ACTIVE_NET], rtol=1e-3, atol=0)
    assert (fine[Measurand.ACTIVE_IMPORT] > middle[Measurand.ACTIVE_IMPORT]).all()
    assert (middle[Measurand.ACTIVE_IMPORT] > coarse[Measurand.ACTIVE_IMPORT]).all()
    assert (fine[apparent] > middle[apparent]).all()
    assert (middle[apparent] > coarse[apparent]).all()
    plain = {}
    for step_s in (10, 900):
        engine = Engine(Config(step_s=step_s), Household(4), START_S, 4)
        engine.advance(START_S + DAY_S)
        plain[step_s] = engine.registers(Quantity(apparent, Kind.ENERGY, exponent=-6))
    assert np.allclose(plain[10], plain[900], rtol=5e-3, atol=0)
    assert (plain[10] > plain[900]).all()
