"""States of engines: what goes on from one is what would have gone on, and nothing else is taken for one."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.engine import (
    Config,
    ControlSettings,
    Engine,
    EngineError,
    LogName,
    SetClockOffset,
    SetTariff,
    Sliding,
    Switch,
    TariffPlan,
    Thresholds,
    Tolerance,
    TopUp,
    snapshot,
)
from meters.engine.kamstrup import OUTPUTS
from meters.scenario import Constant
from tests.meters.engine.reference import START_S
from tests.meters.engine.test_invariance import SOURCE, fingerprint

SPAN_S = 3000
EVERYTHING = Config(
    control=ControlSettings(limit=20.0, automatic=True, over_voltage_v=270.0, prepayment=True),
    power_quality=Thresholds(),
    tariff_plan=TariffPlan((Switch(0, 1), Switch(70, 2))),
    sliding=Sliding(900, 3),
    outputs=OUTPUTS,
    errors=Tolerance(),
)


def new(config: Config = EVERYTHING, meters: int = 5) -> Engine:
    return Engine(config, SOURCE, START_S, meters, tile=3)


def born() -> Engine:
    engine = new()
    engine.command(None, TopUp(400))
    engine.command(2, SetTariff(4), START_S + 777)
    engine.command(0, SetClockOffset(77), START_S + 1500)
    return engine


def everything(engine: Engine) -> list:
    counts = [engine.log(name).count(meter) for name in engine.config.logs for meter in range(5)]
    breakers = [(engine.breaker(meter), engine.credit_wh(meter)) for meter in range(5)]
    billing = [
        engine.log(LogName.BILLING).rows(meter, 0, engine.log(LogName.BILLING).count(meter)) for meter in range(5)
    ]
    logs = [(rows.time_s.tolist(), [column.tolist() for column in rows.columns]) for rows in billing]
    return [counts, breakers, logs, *(fingerprint(engine, meter) for meter in range(5))]


@pytest.fixture(scope="module")
def expected() -> list:
    engine = born()
    engine.advance(START_S + SPAN_S)
    return everything(engine)


@given(st.lists(st.integers(1, SPAN_S - 1), min_size=1, max_size=3))
@settings(max_examples=15)
def test_an_engine_goes_on_from_its_states(expected, cuts):
    engine, of = born(), snapshot.identity(new())
    for cut in sorted(cuts):
        engine.advance(START_S + cut)
        engine = snapshot.restore(new(), of, snapshot.save(engine, of))
    engine.advance(START_S + SPAN_S)
    assert everything(engine) == expected


@pytest.fixture(scope="module")
def state() -> tuple[str, bytes]:
    engine = new(Config())
    of = snapshot.identity(engine)
    engine.advance(START_S + 900)
    return of, snapshot.save(engine, of)


class Exploit:
    def __reduce__(self):
        return exec, ("raise SystemExit",)


def archive(**members: object) -> bytes:
    out = io.BytesIO()
    np.savez(out, **members)
    return out.getvalue()


def tree(head: object) -> bytes:
    return archive(tree=np.frombuffer(json.dumps(head).encode(), np.uint8))


FOREIGN = {
    "nothing": b"",
    "text": b"mine",
    "a pickle": pickle.dumps(Exploit()),
    "objects": archive(tree=np.array([Exploit()], object)),
    "an archive": archive(other=np.zeros(3)),
    "no tree": tree([1, 2]),
    "a strange class": tree({"of": "me", "classes": [["subprocess:Popen", []]], "root": ["object", [0], 0]}),
    "a class behind ours": tree(
        {"of": "me", "classes": [["meters.engine.fleet:Executor", []]], "root": ["object", [0], 0]}
    ),
    "no engine": tree({"of": "me", "classes": [["meters.engine.config:NoLoad", []]], "root": ["object", [0], 0]}),
    "a loop": tree({"of": "me", "classes": [], "root": ["met", 0]}),
    "depth": archive(tree=np.frombuffer(b"[" * 100_000, np.uint8)),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_foreign_content_is_refused(content):
    for whole in (content, snapshot.seal(content)):
        with pytest.raises(EngineError, match="this is no state of an engine"):
            snapshot.restore(new(Config()), "me", whole)


@given(st.data())
@settings(max_examples=60)
def test_damaged_states_are_refused(state, data):
    of, content = state
    at = data.draw(st.integers(0, len(content) - 1))
    damaged = data.draw(
        st.sampled_from([content[:at], content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :], content[at:]])
    )
    if damaged != content:
        with pytest.raises(EngineError, match="damaged"):
            snapshot.restore(new(Config()), of, damaged)


def test_states_are_of_their_meters(state):
    of, content = state
    other = new(replace(Config(), tariff=2))
    assert snapshot.identity(new(Config())) == of
    with pytest.raises(EngineError, match="state of other meters"):
        snapshot.restore(other, snapshot.identity(other), content)


@dataclass
class Plain:
    values: tuple
    array: np.ndarray


def test_digests_tell_values_apart():
    values = [
        Plain((1, 2), np.zeros(3)),
        Plain((1, 2), np.zeros(3, np.float32)),
        Plain((1, 2), np.zeros((3, 1))),
        Plain((1, 2), np.array([0.0, 0.0, 1.0])),
        Plain((1, 2.0), np.zeros(3)),
        Plain(("1", 2), np.zeros(3)),
        Plain((1, (2,)), np.zeros(3)),
        Constant(1.0),
        Constant(2.0),
    ]
    assert len({snapshot.digest(value) for value in values}) == len(values)
    assert snapshot.digest(Plain((1, 2), np.zeros(3))) == snapshot.digest(values[0])


def test_what_has_no_plain_value_is_refused():
    with pytest.raises(EngineError, match="cannot be told from another"):
        snapshot.digest(Plain((object(),), np.zeros(1)))
    with pytest.raises(EngineError, match="cannot be told from another"):
        snapshot.digest([lambda: 1])
