"""Several ordinary periods at once leave a tile in the state in which one after the other leave it."""

from __future__ import annotations

import pickle
from dataclasses import replace

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
    PhaseOutage,
    Quantity,
    SetClockOffset,
    SetTariff,
    Summation,
    Switch,
    TariffPlan,
    Unit,
    regular,
    tile,
)
from meters.engine.kamstrup import K162, K282, K382_DIN
from tests.meters.engine.reference import START_S
from tests.meters.engine.test_reference import random_table

ENERGIES = tuple(Quantity(m, Kind.ENERGY, tariff=t, exponent=-6) for m in list(Measurand)[:13] for t in (0, 1, 2))
MEANS = (
    *(Quantity(m, Kind.MEAN, phase=p, exponent=-6) for m in list(Measurand)[:8] for p in (0, 1)),
    *(Quantity(m, Kind.MEAN, phase=1, exponent=-6) for m in (Measurand.VOLTAGE, Measurand.CURRENT)),
    Quantity(Measurand.POWER_FACTOR, Kind.MEAN, exponent=-6),
)
LOGS = {
    LogName.LOAD_PROFILE: LogSpec(ENERGIES, Every(300), 7),
    LogName.ANALYSIS: LogSpec(MEANS, Every(300), 40),
    LogName.BILLING_2: LogSpec(ENERGIES, Every(1, Unit.DAYS), 4),
}
PLAN = TariffPlan((Switch(60 + 7, 2), Switch(60 + 38, 1)))
MODELS = (K162, K282, K382_DIN, replace(K382_DIN, summation=Summation.TOTAL_ABS))


def everything(engine: Engine, meter: int) -> list:
    out = [engine.register(quantity, meter) for quantity in (*ENERGIES, *MEANS)]
    for measurand in list(Measurand)[:4]:
        for kind in (Kind.MAX, Kind.MAX_TIME):
            out += [engine.register(Quantity(measurand, kind, tariff=t, exponent=-6), meter) for t in range(3)]
    for kind in (Kind.MAX_24H, Kind.MIN_24H, Kind.MAX_24H_TIME):
        out.append(engine.register(Quantity(Measurand.ACTIVE_IMPORT, kind, exponent=-6), meter))
    out.append(engine.register(Quantity(Measurand.THRESHOLD_PERIODS, Kind.COUNT), meter))
    out.append(engine.register(Quantity(Measurand.HOURS, Kind.COUNT), meter))
    out.append(engine.register(Quantity(Measurand.ACTIVE_IMPORT, Kind.INSTANT, exponent=-6), meter))
    for name in LOGS:
        rows = engine.log(name).rows(meter, 0, engine.log(name).count(meter))
        arrays = (rows.time_s, rows.flags, rows.ids, *rows.columns)
        out.append([array.tolist() for array in arrays])
    return out


def lived(config: Config, table, cuts, commands, at_once: bool) -> tuple[list, int]:
    done = 0
    with pytest.MonkeyPatch.context() as patch:
        if at_once:
            original = regular.live_regularly

            def counted(state, window, step, ends) -> None:
                nonlocal done
                done += len(ends.steps)
                original(state, window, step, ends)

            patch.setattr(tile, "live_regularly", counted)
        else:
            patch.setattr(tile, "may_be_regular", lambda state: False)
        steps, meters = table.active_w.shape[1:]
        engine = Engine(config, table, START_S, meters)
        for at_s, meter, command in commands:
            engine.command(meter, command, START_S + at_s)
        for cut in [*cuts, steps]:
            engine.advance(START_S + cut * table.step_s)
            engine = pickle.loads(pickle.dumps(engine))
        return [everything(engine, meter) for meter in range(meters)], done


@given(
    st.sampled_from(MODELS),
    st.integers(0, 2**32),
    st.integers(1, 3),
    st.lists(st.integers(1, 359), max_size=3),
    st.lists(
        st.tuples(
            st.integers(0, 7000),
            st.sampled_from((None, 0)),
            st.sampled_from((SetClockOffset(0), SetClockOffset(4), SetTariff(2), PhaseOutage(1, True))),
        ),
        max_size=2,
    ),
    st.booleans(),
)
def test_it_makes_no_difference(model, seed, meters, cuts, commands, calm):
    table = random_table(seed, model.wiring.elements, 360, meters, 20)
    if calm:
        table.voltage_v[:] = np.clip(table.voltage_v, 210.0, 250.0)
        table.current_a[:] = np.hypot(table.active_w, table.reactive_var) / table.voltage_v
    config = replace(model, step_s=20, logs=LOGS, tariff_plan=PLAN, power_threshold_w=500)
    slow, _ = lived(config, table, sorted(cuts), commands, at_once=False)
    fast, done = lived(config, table, sorted(cuts), commands, at_once=True)
    assert fast == slow
    if calm and not commands and not cuts:
        assert done >= 20


def test_what_stands_in_its_way():
    table = random_table(1, 1, 360, 1, 20)
    table.voltage_v[:] = 230.0
    table.current_a[:] = np.hypot(table.active_w, table.reactive_var) / 230.0
    latest = LogSpec((Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1),), Every(300), 7)
    other = LogSpec((), Every(900), 7)
    for logs in ({LogName.LOAD_PROFILE: latest}, LOGS | {LogName.ANALYSIS: other}):
        config = replace(K162, step_s=20, logs=logs)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tile, "live_regularly", None)
            engine = Engine(config, table, START_S)
            engine.advance(START_S + 7200)
            assert engine.profile.count() == 7
