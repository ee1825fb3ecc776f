"""Ratios of the measurement engine: `python -m tests.benchmarks.engine`.

Every result is checked before it is timed.  Works are timed in turn, round after round, in seconds of CPU (others work
on the same machine), on one thread each; the median counts.  Absolute rates are of the machine; only ratios mean
something elsewhere.  Ways that are slow do a part of the meters, and the rate is compared.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import math
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from meters.engine import Config, Engine, Fleet, Kind, Measurand, Quantity
from meters.engine.fleet import SHARD
from meters.engine.settle import settle
from meters.scenario import Constant, Household
from tests.benchmarks import fleet_ways, waveform_ways
from tests.benchmarks.fleet_ways import (
    CONFIG,
    DAY_S,
    LOGS,
    PERIOD_S,
    PLAN,
    REGISTERS,
    START_S,
    STEPS,
    TARIFFS,
    UWS_PER_UWH,
    WH,
    Powers,
    Registers,
)
from tests.meters.engine.reference import ScalarMeter, Table

ROUNDS, TURN_S = 7, 0.1
FLEET, LOOPED, IN_PANDAS = 100_000, 100, 20_000
"""Meters of the fleet; those of it that the plain loop and pandas do."""
Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Line:
    """One ratio: `ours` and `other` in millions of `unit` a second; at_least for speed-ups, else at most."""

    case: str
    other: str
    unit: str
    ours: float
    rate: float | None
    target: float | None
    at_least: bool = True

    def __str__(self) -> str:
        if self.rate is None:
            return f"{self.case:50} {self.other:27} {self.unit:15} {self.ours:9.3f} {'-':>9} {'not installed':>10}"
        ratio = self.ours / self.rate if self.at_least else self.rate / self.ours
        head = f"{self.case:50} {self.other:27} {self.unit:15} {self.ours:9.3f} {self.rate:9.3f} {ratio:9.1f}x"
        if self.target is None:
            return head
        met = ratio >= self.target if self.at_least else ratio <= self.target
        return f"{head}  {'>=' if self.at_least else '<='} {self.target:g}x {'met' if met else 'MISSED'}"


def medians(works: Mapping[str, Work], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of CPU of each work, taken in turn; a short one is repeated until its turn lasts TURN_S."""
    repeats = {name: math.ceil(TURN_S / max(_seconds(work, 1), 1e-6)) for name, work in works.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            times[name].append(_seconds(work, repeats[name]) / repeats[name])
    return {name: statistics.median(taken) for name, taken in times.items()}


def _seconds(work: Work, repeats: int) -> float:
    begin = time.process_time()
    for _ in range(repeats):
        work()
    return time.process_time() - begin


def has(module: str) -> bool:
    """Whether a peer is installed."""
    return importlib.util.find_spec(module) is not None


def close(got: object, wanted: object, relative: float, what: str) -> None:
    """Raises AssertionError when a result is wrong: its time would mean nothing."""
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=relative, err_msg=what)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings that a peer logs."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def waveforms() -> Iterator[Line]:
    """60 s, 3 phases, U and I at 6400 samples/s: ten-cycle and half-cycle values."""
    wave = waveform_ways.made_wave()
    power, half = waveform_ways.ours(wave)
    rms_v, rms_a = math.hypot(325.27, 16) / math.sqrt(2), 14.2 / math.sqrt(2)
    close(power.voltage_v, rms_v, 1e-12, "U")
    close(power.current_a, rms_a, 1e-12, "I")
    close(power.active_w, 325.27 * 14.2 / 2 * math.cos(0.5), 1e-12, "P")
    close(power.reactive_var, 325.27 * 14.2 / 2 * math.sin(0.5), 1e-12, "Q1")
    close(half, rms_v, 1e-12, "Urms(1/2)")
    crossed, halves = waveform_ways.ours_incoherent(wave)
    close(crossed.active_w, 325.27 * 14.2 / 2 * math.cos(0.5), 1e-9, "incoherent P")
    close(np.concatenate(halves), rms_v, 1e-9, "incoherent Urms(1/2)")
    single = waveform_ways.in_single_precision(wave)
    close(waveform_ways.ours(single)[0].active_w, power.active_w, 1e-6, "P of float32")
    works: dict[str, Work] = {
        "ours": lambda: waveform_ways.ours(wave),
        "single": lambda: waveform_ways.ours(single),
        "incoherent": lambda: waveform_ways.ours_incoherent(wave),
        "read": lambda: waveform_ways.read(wave),
    }
    if has("pqopen") and has("scipy"):
        check_pqopen(wave)
        works["pqopen"] = lambda: waveform_ways.with_pqopen(wave)
    with quiet():
        seconds = medians(works)
    rates = {name: 2 * wave.voltage_v.size / taken / 1e6 for name, taken in seconds.items()}
    case, unit = "waveforms 60 s x 3 x (U, I)", "samples"
    yield Line(case, "pqopen-lib, no fundamental", unit, rates["ours"], rates.get("pqopen"), 300)
    yield Line(case, "reading the samples", unit, rates["ours"], rates["read"], 8, at_least=False)
    yield Line("the same in float32", "pqopen-lib, no fundamental", unit, rates["single"], rates.get("pqopen"), None)
    case = "the same, incoherent"
    yield Line(case, "pqopen-lib, no fundamental", unit, rates["incoherent"], rates.get("pqopen"), None)
    yield Line(case, "reading the samples", unit, rates["incoherent"], rates["read"], None, at_least=False)


def check_pqopen(wave: waveform_ways.Waveform) -> None:
    """The peer comes to the same ten-cycle values, as far as its whole samples and float32 allow."""
    power, _ = waveform_ways.ours(wave)
    with quiet():
        channels = waveform_ways.with_pqopen(wave)
    for name, values in (("U1_rms", power.voltage_v), ("I1_rms", power.current_a), ("P1", power.active_w)):
        close(channels[name].last_sample_value, values[0, -1], 1e-5, f"pqopen {name}")


def fleets() -> Iterator[Line]:
    """100 000 meters x 96 quarter hours x 3 phases, from ready P and Q, settled at once; then by meters that live."""
    powers = Powers(FLEET)
    tariff = np.array([fleet_ways.tariff_of(step) for step in range(STEPS)])
    check_fleet(powers, tariff)
    fleet = Fleet(CONFIG, powers, START_S, FLEET)
    works: dict[str, Work] = {
        "ours": lambda: settle_all(powers, FLEET, tariff),
        "live": lambda: list(fleet.simulate(START_S + DAY_S)),
        "read": powers.read,
        "loop": lambda: fleet_ways.plain_loop(powers, LOOPED),
    }
    meters = {"ours": FLEET, "live": FLEET, "read": FLEET, "loop": LOOPED, "pandas": IN_PANDAS, "some": IN_PANDAS // 10}
    if has("pandas"):
        frame = fleet_ways.long_table(powers, IN_PANDAS)
        check_pandas(powers, frame)
        works["pandas"] = lambda: fleet_ways.with_pandas(frame)
        some = fleet_ways.long_table(powers, IN_PANDAS // 10)
        works["some"] = lambda: fleet_ways.with_pandas(some)
    seconds = medians(works)
    rates = {name: meters[name] * STEPS / taken / 1e6 for name, taken in seconds.items()}
    for name, kind, targets in (
        ("ours", "settled at once", (50, 30, 16)),
        ("live", "whole meters that live", (None,) * 3),
    ):
        case, unit, ours = f"fleet {FLEET} x {STEPS} x 3, {kind}", "meter-intervals", rates[name]
        yield Line(case, f"plain loop ({LOOPED} meters)", unit, ours, rates["loop"], targets[0])
        yield Line(case, f"pandas ({IN_PANDAS} meters)", unit, ours, rates.get("pandas"), targets[1])
        yield Line(case, f"pandas ({IN_PANDAS // 10} at a time)", unit, ours, rates.get("some"), None)
        yield Line(case, "reading P and Q", unit, ours, rates["read"], targets[2], at_least=False)


def settle_all(powers: Powers, meters: int, tariff: np.ndarray) -> None:
    """Settle block after block of as many meters as the engine's fleet has in a shard."""
    for first in range(0, meters, SHARD):
        who = slice(first, min(first + SHARD, meters))
        settle(powers.active_w[..., who], powers.reactive_var[..., who], PERIOD_S, tariff)


def check_fleet(powers: Powers, tariff: np.ndarray, meters: int = 20) -> None:
    """Loop, settling and engine agree to the last micro-Wh: totals, phases, tariffs, profile."""
    engine = Engine(CONFIG, powers, START_S, meters)
    engine.advance(START_S + DAY_S)
    settled = settle(powers.active_w[..., :meters], powers.reactive_var[..., :meters], PERIOD_S, tariff)
    for meter, one in enumerate(fleet_ways.plain_loop(powers, meters)):
        arrays = (settled.total_uwh, settled.tariff_uwh, settled.profile_wh)
        total, tariffs, profile = (array[..., meter].T.tolist() for array in arrays)
        assert (total, tariffs, [tuple(row) for row in profile]) == (one.total, one.tariff, one.profile)
        assert shown(engine, meter) == one


def shown(engine: Engine, meter: int) -> Registers:
    """What the registers of a meter and its load profile show."""

    def row(phase: int, tariff: int) -> list[int]:
        return [engine.register(Quantity(m, Kind.ENERGY, phase, tariff, exponent=-6), meter) for m in REGISTERS]

    columns = engine.profile.rows(meter, 0, engine.profile.count(meter)).columns
    profile = list(zip(*(column.tolist() for column in columns), strict=True))
    tariffs = [row(0, tariff) for tariff in range(1, TARIFFS + 1)]
    return Registers([row(phase, 0) for phase in range(4)], tariffs, profile)


def check_pandas(powers: Powers, frame: object) -> None:
    """pandas agrees to the last micro-Wh."""
    phases, tariff, profile = (result.to_numpy() for result in fleet_ways.with_pandas(frame))
    for meter, one in enumerate(fleet_ways.plain_loop(powers, 5)):
        assert phases[3 * meter : 3 * meter + 3].tolist() == one.total[1:]
        assert tariff[8 * meter : 8 * meter + 8].tolist() == one.tariff
        assert [tuple(row) for row in profile[STEPS * meter : STEPS * (meter + 1)].tolist()] == one.profile


def one_meter() -> Iterator[Line]:
    """A fleet of one at steps of a second, beside two loops over the seconds that come to the same registers: the scalar
    meter of the tests, and the same engine when it is asked to step each second alone."""
    powers = Powers(1, DAY_S, 1)
    part_s = 1800
    config = Config(logs=LOGS, tariff_plan=PLAN, normal_offset_s=0)
    steps = list(Table(powers.active_w, powers.reactive_var, powers.voltage_v, powers.current_a).steps_of(0))[:part_s]

    def at_once(span_s: int) -> Engine:
        engine = Engine(config, powers, START_S)
        engine.advance(START_S + span_s)
        return engine

    def stepwise() -> Engine:
        engine = Engine(config, powers, START_S)
        for second in range(1, part_s + 1):
            engine.advance(START_S + second)
        return engine

    def scalar() -> ScalarMeter:
        meter = ScalarMeter(config)
        for step in steps:
            meter.step(*step)
        return meter

    one, other, third = at_once(part_s), stepwise(), scalar()
    for channel, measurand in enumerate((*REGISTERS, Measurand.APPARENT_IMPORT, Measurand.APPARENT_EXPORT)):
        micro = Quantity(measurand, Kind.ENERGY, exponent=-6)
        assert one.register(micro) == other.register(micro) == third.uws[channel] // UWS_PER_UWH > 0
    assert one.profile.count() == len(third.rows) == part_s // PERIOD_S
    works: dict[str, Work] = {
        "ours": lambda: at_once(DAY_S),
        "scalar": scalar,
        "steps": stepwise,
        "read": powers.read,
    }
    seconds = medians(works)
    ours, scalars, stepped = DAY_S / seconds["ours"], part_s / seconds["scalar"], part_s / seconds["steps"]
    case, unit = "one meter, a day of seconds", "meter-seconds"
    yield Line(case, f"scalar meter ({part_s} s)", unit, ours / 1e6, scalars / 1e6, 100)
    yield Line(case, f"engine step by step ({part_s} s)", unit, ours / 1e6, stepped / 1e6, 100)
    yield Line(case, "reading P and Q", unit, ours / 1e6, DAY_S / seconds["read"] / 1e6, None, at_least=False)


def slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent of growth: slope of the straight line through the logarithms.  1 is proportional."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def growth() -> Iterator[str]:
    """Exponents of the time over meters and over simulated time, and of the memory over meters."""
    powers = Powers(FLEET)

    def settled(meters: int) -> Work:
        return lambda: settle_all(powers, meters, np.ones(STEPS, np.int64))

    def fleet(meters: int) -> Work:
        return lambda: list(Fleet(CONFIG, powers, START_S, meters).simulate(START_S + DAY_S))

    def days(count: int) -> Work:
        return lambda: Engine(Config(), Constant(500.0), START_S).advance(START_S + count * DAY_S)

    meters, spans = [FLEET // 8, FLEET // 4, FLEET // 2, FLEET], [1, 2, 4, 8, 16]
    for name, work, sizes in (
        ("settling over meters", settled, meters),
        ("living over meters", fleet, meters),
        ("living over time, in days", days, spans),
    ):
        seconds = medians({str(size): work(size) for size in sizes}, 3)
        exponent = slope(sizes, [seconds[str(size)] for size in sizes])
        yield f"time of {name}: exponent {exponent:.2f} over {', '.join(map(str, sizes))}"
    shards = [1, 2, 4, 8]
    peaks = [peak_mb(shard * SHARD) for shard in shards]
    sizes_mb = ", ".join(f"{peak:.0f}" for peak in peaks)
    yield f"memory over meters: exponent {slope(shards, peaks):.2f}; {sizes_mb} MB at {shards} shards of {SHARD}"


def peak_mb(meters: int, shard: int = SHARD) -> float:
    """Most memory that a fleet takes while it lives through a day of quarter hours, MB."""
    gc.collect()
    tracemalloc.start()
    try:
        for _ in Fleet(CONFIG, Constant(500.0), START_S, meters, shard).simulate(START_S + DAY_S):
            pass
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def reading() -> Iterator[str]:
    """What a lazily advanced fleet costs whoever looks at one meter."""
    engine = Engine(Config(), Household(), START_S, 10_000)
    engine.advance(START_S + 1)

    def look() -> None:
        for second in range(50):
            engine.advance(engine.now_s + (second % 5 == 0), lazily=True)
            engine.register(WH[0], 5)

    works: dict[str, Work] = {"register": lambda: [engine.register(WH[0], 5) for _ in range(1000)], "look": look}
    seconds = medians(works)
    yield (
        f"10 000 meters: a register {seconds['register'] * 1e3:.1f} us, "
        f"after another second {seconds['look'] / 10 * 1e3:.2f} ms"
    )


def main() -> None:
    """Check, measure, print."""
    print(f"{'case':50} {'beside':27} {'million a second':15} {'ours':>9} {'other':>9} {'ratio':>10}  target")
    for lines in (waveforms, fleets, one_meter, growth, reading):
        for line in lines():
            print(line, flush=True)


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        # only heeded before numpy is imported; otherwise idle threads of its BLAS spin and count as work
        alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks.engine"], alone)
    main()
