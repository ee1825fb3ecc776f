"""Energy: nothing is lost in a year, identities hold to the last digit, summation and no-load as defined."""

from __future__ import annotations

from fractions import Fraction

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
    SetTariff,
    Summation,
    Switch,
    TariffPlan,
    Wiring,
)
from meters.engine.energy import Energy, Powers, total_channels
from meters.engine.kamstrup import K162, K282, K382, K382_DIN
from meters.engine.phasor import aron, block_of
from meters.engine.window import check_block
from meters.scenario import Constant, Household
from tests.meters.engine.reference import START_S

YEAR_S = 365 * 86_400
ENERGIES = [m for m in Measurand if m.name.startswith(("ACTIVE", "REACTIVE", "APPARENT"))]


def micro(measurand: Measurand, **which) -> Quantity:
    return Quantity(measurand, Kind.ENERGY, exponent=-6, **which)


@pytest.mark.parametrize("power_w", [0.000001, 3.3, 1234.567891])
def test_a_year_of_seconds_loses_not_one_micro_watt_hour(power_w):
    """31 536 000 steps of one second, through the integrator, in blocks of uneven length."""
    energy, done, block_s = Energy(1, 1), 0, 7_001
    steps = np.full((1, block_s, 1), round(power_w * 1e6), np.float64)
    powers = Powers(np.stack([steps, np.zeros_like(steps), np.zeros_like(steps), steps]))
    tariff = np.array([3])
    while done < YEAR_S:
        length = min(block_s, YEAR_S - done)
        sums = powers.channels(0, length)
        energy.add(np.concatenate([total_channels(sums, Summation.PER_PHASE)[:, None], sums], axis=1), tariff)
        done += length
    assert energy.total[0, 0, 0] == Fraction(round(power_w * 1e6) * YEAR_S, 3600).__floor__()
    assert energy.tariff[0, 2, 0] == energy.total[0, 0, 0]


def test_a_year_of_the_whole_engine_is_exact():
    logs = {LogName.LOAD_PROFILE: LogSpec((), Every(3600), 100)}
    engine = Engine(Config(step_s=3600, logs=logs), Constant([1000.000001, 0.1, -7.7]), START_S)
    engine.advance(START_S + YEAR_S)
    assert engine.register(micro(Measurand.ACTIVE_IMPORT)) == 1_000_000_001 * YEAR_S // 3600
    assert engine.register(micro(Measurand.ACTIVE_EXPORT)) == 7_700_000 * YEAR_S // 3600


class Sawtooth:
    """Power that climbs by 7.000001 W each second and falls back after 9973 steps: what it comes to is known exactly."""

    STEPS, CLIMB_UW, BEGIN_UW = 9973, 7_000_001, -20_000_000_000

    def block(self, start_s, stop_s, step_s, meters):
        tooth = np.arange(start_s - START_S, stop_s - START_S) % self.STEPS
        active_w = ((self.BEGIN_UW + self.CLIMB_UW * tooth) / 1e6)[None, :, None]
        shape = active_w.shape
        return Block(active_w, np.zeros(shape), np.full(shape, 230.0), np.full(shape, 100.0))

    def sums_uws(self, seconds):
        """Import and export after so many seconds, added up in whole numbers."""
        teeth, rest = divmod(seconds, self.STEPS)
        steps = [self.BEGIN_UW + self.CLIMB_UW * step for step in range(self.STEPS)]
        steps = [0 if abs(step) < 2_300_000 else step for step in steps]
        return [
            sum(max(sign * step, 0) for step in steps) * teeth + sum(max(sign * step, 0) for step in steps[:rest])
            for sign in (1, -1)
        ]


def test_a_year_at_steps_of_a_second_loses_not_one_micro_watt_hour():
    """31 536 000 steps of the engine, with a profile and two tariffs, advanced by pieces that fit nothing."""
    logs = {LogName.LOAD_PROFILE: LogSpec((micro(Measurand.ACTIVE_IMPORT),), Every(3600), 9000)}
    plan = TariffPlan((Switch(6 * 60, 1), Switch(22 * 60, 2)))
    source = Sawtooth()
    engine = Engine(Config(Wiring.ONE_PHASE, logs=logs, tariff_plan=plan), source, START_S)
    for until_s in (*range(0, YEAR_S, 2_000_003), YEAR_S):
        engine.advance(START_S + until_s)
    imported, exported = (
        engine.register(micro(measurand)) for measurand in (Measurand.ACTIVE_IMPORT, Measurand.ACTIVE_EXPORT)
    )
    assert [imported, exported] == [total // 3600 for total in source.sums_uws(YEAR_S)]
    assert sum(engine.register(micro(Measurand.ACTIVE_IMPORT, tariff=tariff)) for tariff in (1, 2)) == imported
    rows = engine.profile.rows(0, 0, engine.profile.count())
    assert len(rows.time_s) == YEAR_S // 3600
    for row in (0, 1, 4321, -1):
        assert rows.columns[0][row] == source.sums_uws(int(rows.time_s[row]) - START_S)[0] // 3600


@given(st.integers(0, 2**40), st.sampled_from(Summation), st.integers(0, 8000), st.integers(0, 8))
def test_identities_of_registers(seed, summation, photovoltaics_w, changes):
    config = Config(summation=summation, step_s=60)
    engine = Engine(config, Household(seed, photovoltaics_w=photovoltaics_w), START_S, meters=2)
    rng = np.random.default_rng(seed)
    for _ in range(changes):
        engine.command(int(rng.integers(2)), SetTariff(int(rng.integers(1, 9))), START_S + int(rng.integers(21_600)))
    engine.advance(START_S + 21_600)
    for meter in range(2):
        value = {m: engine.register(micro(m), meter) for m in ENERGIES}
        assert value[Measurand.REACTIVE_IMPORT] == value[Measurand.REACTIVE_Q1] + value[Measurand.REACTIVE_Q2]
        assert value[Measurand.REACTIVE_EXPORT] == value[Measurand.REACTIVE_Q3] + value[Measurand.REACTIVE_Q4]
        assert value[Measurand.ACTIVE_ABSOLUTE] == value[Measurand.ACTIVE_IMPORT] + value[Measurand.ACTIVE_EXPORT]
        assert value[Measurand.ACTIVE_NET] == value[Measurand.ACTIVE_IMPORT] - value[Measurand.ACTIVE_EXPORT]
        for measurand in ENERGIES:
            tariffs = [engine.register(micro(measurand, tariff=tariff), meter) for tariff in range(1, 9)]
            assert sum(tariffs) == value[measurand]


@pytest.mark.parametrize(
    ("summation", "import_kw", "export_kw"),
    [(Summation.SUM_VECTOR, 1, 0), (Summation.PER_PHASE, 4, 3), (Summation.TOTAL_ABS, 7, 0)],
)
def test_summation_of_opposite_phases(summation, import_kw, export_kw):
    """L1 -3 kW, L2 = L3 = +2 kW for an hour."""
    engine = Engine(Config(summation=summation), Constant([-3000.0, 2000.0, 2000.0]), START_S)
    engine.advance(START_S + 3600)
    assert engine.register(micro(Measurand.ACTIVE_IMPORT)) == import_kw * 10**9
    assert engine.register(micro(Measurand.ACTIVE_EXPORT)) == export_kw * 10**9
    kilowatts = [Quantity(m, Kind.INSTANT, exponent=3) for m in (Measurand.ACTIVE_IMPORT, Measurand.ACTIVE_EXPORT)]
    assert [engine.register(quantity) for quantity in kilowatts] == [import_kw, export_kw]


def test_summation_of_two_elements_is_vectorial():
    assert Config(Wiring.ARON).summation is Summation.SUM_VECTOR
    with pytest.raises(EngineError, match="SUM_VECTOR"):
        Config(Wiring.ARON, Summation.PER_PHASE)
    source = Constant([-1031.0, 2817.0], voltage_v=400.0, wiring=Wiring.ARON)
    engine = Engine(Config(Wiring.ARON), source, START_S)
    engine.advance(START_S + 3600)
    assert engine.register(micro(Measurand.ACTIVE_IMPORT)) == 1_786_000_000
    assert engine.register(micro(Measurand.ACTIVE_EXPORT)) == 0
    with pytest.raises(EngineError, match="no phase 2"):
        engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=2))
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=3)) == 400


@pytest.mark.parametrize(
    ("active_w", "current_a", "registered_w"),
    [(2.3, 0.010, 2.3), (2.299999, 0.010, 0), (2.3, 0.009999, 0), (-2.3, 0.010, 2.3), (-2.2, 1.0, 0), (0.0, 0.0, 0)],
)
def test_no_load(active_w, current_a, registered_w):
    class Source:
        def block(self, start_s, stop_s, step_s, meters):
            shape = (1, stop_s - start_s, 1)
            return Block(*(np.full(shape, value) for value in (active_w, 0.0, 230.0, current_a)))

    engine = Engine(Config(Wiring.ONE_PHASE, no_load=NoLoad(2.3, 0.01)), Source(), START_S)
    engine.advance(START_S + 3600)
    assert engine.register(micro(Measurand.ACTIVE_ABSOLUTE)) == round(registered_w * 1e6)
    assert engine.register(Quantity(Measurand.CURRENT, Kind.INSTANT, phase=1, exponent=-6)) == round(current_a * 1e6)


def of_282(voltage_v, current_a, seconds=3600):
    """A 282 that measures phasors (phase) of three wires for some seconds."""
    block = block_of(*aron(*(np.asarray(phasors)[:, None, None] for phasors in (voltage_v, current_a))))

    class Source:
        def block(self, start_s, stop_s, step_s, meters):
            shape = (2, (stop_s - start_s) // step_s, len(meters))
            names = ("active_w", "reactive_var", "voltage_v", "current_a")
            return Block(*(np.broadcast_to(getattr(block, name), shape) for name in names))

    engine = Engine(K282, Source(), START_S)
    engine.advance(START_S + seconds)
    return engine


STAR = np.exp(-2j * np.pi / 3 * np.arange(3))


@pytest.mark.parametrize("power_factor", [0.26, 0.5, 0.51, 0.9, 1.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_balanced_load_of_any_power_factor_leaves_the_export_of_a_282_at_zero(power_factor, sign):
    """At PF 0.26 one element measures backwards, at 0.5 one stands still, at 0.51 one crawls below the no-load limit."""
    phi = sign * np.arccos(power_factor)
    voltage_v, current_a = 230 / np.sqrt(3) * STAR, 5 * np.exp(-1j * phi) * STAR
    engine = of_282(voltage_v, current_a)
    expected_wh = np.sqrt(3) * 230 * 5 * power_factor
    assert engine.register(micro(Measurand.ACTIVE_IMPORT)) == pytest.approx(expected_wh * 1e6, abs=2)
    assert engine.register(micro(Measurand.ACTIVE_EXPORT)) == 0
    net_varh = engine.register(micro(Measurand.REACTIVE_IMPORT)) - engine.register(micro(Measurand.REACTIVE_EXPORT))
    assert net_varh == pytest.approx(np.sqrt(3) * 230 * 5 * np.sin(phi) * 1e6, abs=2)


@pytest.mark.parametrize(("current_a", "runs"), [(0.0, False), (0.005, False), (0.0055, False), (0.011, True)])
def test_no_load_of_a_282_is_that_of_the_sum(current_a, runs):
    """At PF 0.866 lagging the elements of 11 mA at 230 V measure 1.27 and 2.53 W, in sum 3.8: the first is below 2.3 W."""
    engine = of_282(230 / np.sqrt(3) * STAR, current_a * np.exp(-1j * np.pi / 6) * STAR)
    registered = engine.register(micro(Measurand.ACTIVE_IMPORT))
    expected_wh = np.sqrt(3) * 230 * current_a * np.cos(np.pi / 6)
    assert registered == (pytest.approx(expected_wh * 1e6, abs=2) if runs else 0)
    assert (engine.register(micro(Measurand.APPARENT)) > 0) is runs


def test_four_models_say_what_they_are():
    kinds = {"162": K162, "282": K282, "382": K382, "382 DIN": K382_DIN}
    assert {name: kind.wiring.phases for name, kind in kinds.items()} == {
        "162": (1,),
        "282": (1, 3),
        "382": (1, 2, 3),
        "382 DIN": (1, 2, 3),
    }
    vector = {name for name, kind in kinds.items() if kind.summation is Summation.SUM_VECTOR}
    assert vector == {"282"}
    without = {name for name, kind in kinds.items() if not kind.features}
    assert without == {"382 DIN"} == {name for name, kind in kinds.items() if kind.control is None}


def test_no_load_keeps_purely_reactive_load():
    engine = Engine(Config(Wiring.ONE_PHASE), Constant(0.0, -500.0, wiring=Wiring.ONE_PHASE), START_S)
    engine.advance(START_S + 3600)
    assert engine.register(micro(Measurand.REACTIVE_Q4)) == 500 * 10**6
    assert engine.register(Quantity(Measurand.APPARENT_IMPORT, Kind.INSTANT)) == 500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e12])
@pytest.mark.parametrize("place", range(4))
def test_values_that_no_meter_could_measure_are_refused(bad, place):
    class Source:
        def block(self, start_s, stop_s, step_s, meters):
            arrays = [np.full((3, stop_s - start_s, 1), value) for value in (100.0, 0.0, 230.0, 1.0)]
            arrays[place][1, 5] = bad
            return Block(*arrays)

    engine = Engine(Config(), Source(), START_S)
    with pytest.raises(EngineError, match="no meter could measure"):
        engine.advance(START_S + 60)
    assert engine.tiles[0].now_s == START_S
    assert engine.tiles[0].energy.rest_uws.sum() == 0


def test_frequencies_and_apparent_powers_are_checked_too():
    with pytest.raises(EngineError, match="Hz"):
        Engine(Config(), Constant(frequency_hz=np.nan), START_S).advance(START_S + 1)
    huge = Block(*(np.full((3, 1, 1), value) for value in (1.0, 1.0, 1e6, 1e6)))
    with pytest.raises(EngineError, match="apparent"):
        check_block(huge)


def test_instantaneous_values_are_those_of_the_last_second():
    engine = Engine(Config(), Constant([2000.0, -500.0, 0.0], [700.0, 300.0, 0.0], frequency_hz=50.014), START_S)
    engine.advance(START_S + 900)
    expected = {
        (Measurand.ACTIVE_IMPORT, 0, 0): 2000,
        (Measurand.ACTIVE_EXPORT, 0, 0): 500,
        (Measurand.ACTIVE_EXPORT, 2, 0): 500,
        (Measurand.REACTIVE_IMPORT, 0, 0): 1000,
        (Measurand.REACTIVE_Q2, 0, 0): 300,
        (Measurand.APPARENT_IMPORT, 1, 0): 2119,
        (Measurand.APPARENT_EXPORT, 0, 0): 583,
        (Measurand.CURRENT, 1, -2): 921,
        (Measurand.POWER_FACTOR, 1, -2): 94,
        (Measurand.POWER_FACTOR, 3, -2): 100,
        (Measurand.POWER_FACTOR, 0, -2): 56,
    }
    for (measurand, phase, exponent), value in expected.items():
        for kind in (Kind.INSTANT, Kind.MEAN):
            assert engine.register(Quantity(measurand, kind, phase, exponent=exponent)) == value
    assert engine.register(Quantity(Measurand.FREQUENCY, Kind.INSTANT, exponent=-2)) == 5001
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.MEAN, phase=2)) == 230


def test_shapes_are_checked():
    with pytest.raises(EngineError, match="phase, time, meter"):
        Block(*(np.zeros((3, 4)),) * 4)
    with pytest.raises(EngineError, match="voltage_v"):
        Block(np.zeros((3, 4, 1)), np.zeros((3, 4, 1)), np.zeros((3, 5, 1)), np.zeros((3, 4, 1)))
    with pytest.raises(EngineError, match="inputs"):
        Block(*(np.zeros((3, 4, 1)),) * 4, inputs=np.zeros((4, 2), np.uint8))
    with pytest.raises(EngineError, match="expected"):
        Engine(Config(Wiring.ONE_PHASE), Constant(), START_S).advance(START_S + 10)


def test_float32_input_stays_within_a_watt_hour_of_float64():
    household = Household(3, photovoltaics_w=4000)

    class Single:
        def block(self, start_s, stop_s, step_s, meters):
            block = household.block(start_s, stop_s, step_s, meters)
            names = ("active_w", "reactive_var", "voltage_v", "current_a")
            return Block(*(getattr(block, name).astype(np.float32) for name in names), block.frequency_hz)

    engines = [Engine(Config(step_s=10), source, START_S, meters=3) for source in (household, Single())]
    for engine in engines:
        engine.advance(START_S + 86_400)
    for measurand in (Measurand.ACTIVE_IMPORT, Measurand.ACTIVE_EXPORT, Measurand.REACTIVE_IMPORT):
        double, single = (engine.registers(micro(measurand)) for engine in engines)
        assert np.abs(double - single).max() < 1_000_000
