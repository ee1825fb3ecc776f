"""Ratios of the measurement engine: `python -m tests.benchmarks.engine`.

Against a plain Python loop that does a part of the work (A+, A-, Q1..Q4 and the profile; no tariffs, maxima, phases,
means or supervision), against the speed of reading the input, and against pandas where it is installed.  Absolute times
are of the machine; only ratios mean something elsewhere.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import numpy as np

from meters.engine import Block, Config, Engine, Every, Kind, LogName, LogSpec, Measurand, Quantity
from meters.engine.waveform import Waveform, coherent, incoherent
from meters.scenario import Constant, Household

START_S = 1_767_225_600
DAY_S = 86_400
WH = tuple(Quantity(m, Kind.ENERGY) for m in list(Measurand)[:4])
LOGS = {LogName.LOAD_PROFILE: LogSpec(WH, Every(900), 200)}


def best_s(work: Callable[[], object], repeat: int = 3) -> float:
    """Shortest time of some runs."""
    times = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


class Recorded:
    """A source that costs nothing: the same arrays for every meter and time."""

    def __init__(self, steps: int, meters: int, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        shape = (3, steps, meters)
        power_w = rng.normal(500, 900, shape)
        self.arrays = (power_w, rng.normal(100, 200, shape), rng.normal(230, 3, shape), np.abs(power_w) / 230)

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        first = (start_s - START_S) // step_s
        count = (stop_s - start_s) // step_s
        return Block(*(array[:, first : first + count, : len(meters)] for array in self.arrays))

    def read(self) -> float:
        """Look at every value once."""
        return sum(float(array.sum()) for array in self.arrays)


def naive(arrays: tuple[np.ndarray, ...], step_s: int, period_s: int) -> list[dict[str, int]]:
    """Registers and profile of each meter, in plain loops: A+, A-, Q1..Q4 per phase, in micro-Wh."""
    names = ("a_in", "a_out", "q1", "q2", "q3", "q4")
    phases, steps, meters = arrays[0].shape
    out = []
    for meter in range(meters):
        sums, rows = dict.fromkeys(names, 0), []
        lists = [array[:, :, meter].tolist() for array in arrays]
        for step in range(steps):
            for phase in range(phases):
                p, q, u, i = (values[phase][step] for values in lists)
                if i < 0.01 or u < 160:
                    continue
                p_uw, q_uvar = round(p * 1e6), round(q * 1e6)
                sums["a_in" if p_uw >= 0 else "a_out"] += abs(p_uw) * step_s
                quadrant = ("q1" if q_uvar >= 0 else "q4") if p_uw >= 0 else ("q2" if q_uvar >= 0 else "q3")
                sums[quadrant] += abs(q_uvar) * step_s
            if (step + 1) * step_s % period_s == 0:
                rows.append({name: value // 3600 for name, value in sums.items()})
        out.append(rows[-1] if rows else sums)
    return out


def engine_run(source: Recorded, step_s: int, meters: int, span_s: int) -> None:
    Engine(Config(step_s=step_s, logs=LOGS), source, START_S, meters).advance(START_S + span_s)


def fleets() -> None:
    """Meter-steps a second of one meter at 1 s, a tile at 1 s, a fleet at 15 min: engine, plain loop, reading."""
    print(
        f"{'fleet':34}{'engine':>12}{'plain loop':>12}{'ratio':>8}{'reading':>12}{'ratio':>8}   million meter-steps/s"
    )
    for name, meters, step_s, span_s in (
        ("1 meter, a day of seconds", 1, 1, DAY_S),
        ("256 meters, half an hour of seconds", 256, 1, 1800),
        ("8192 meters, a day of quarter hours", 8192, 900, DAY_S),
    ):
        source = Recorded(span_s // step_s, meters)
        steps = meters * span_s // step_s
        engine_s = best_s(lambda s=source, a=step_s, b=meters, c=span_s: engine_run(s, a, b, c))
        sample = tuple(array[:, : 20_000 if meters == 1 else 96, : 1 if meters == 1 else 40] for array in source.arrays)
        loop_s = best_s(lambda s=sample, a=step_s: naive(s, a, 900), 1) / sample[0][0].size * steps
        read_s = best_s(source.read)
        rates = [steps / seconds / 1e6 for seconds in (engine_s, loop_s, read_s)]
        print(
            f"{name:34}{rates[0]:12.2f}{rates[1]:12.3f}{rates[0] / rates[1]:7.0f}x{rates[2]:12.1f}"
            f"{rates[2] / rates[0]:7.1f}x"
        )


def days() -> None:
    """A meter-day of seconds as scenarios give it, growth with the number of meters, and reading a register."""
    print()
    for name, source in (("constant", Constant(1000.0)), ("household", Household())):
        seconds = best_s(lambda s=source: Engine(Config(), s, START_S).advance(START_S + DAY_S))
        print(f"a meter-day of seconds, {name:10} {seconds * 1e3:8.1f} ms")
    spans = [
        best_s(lambda n=n: Engine(Config(), Constant(1.0), START_S).advance(START_S + n * DAY_S), 1) for n in (1, 8)
    ]
    print(f"eight days cost {spans[1] / spans[0]:.2f} times one day")
    engine = Engine(Config(), Household(), START_S, 10_000)
    engine.advance(START_S + 1)
    register_s = best_s(lambda: [engine.register(WH[0], 5) for _ in range(1000)]) / 1000
    begin = time.perf_counter()
    for second in range(2, 52):
        engine.advance(START_S + second, lazily=True)
        engine.register(WH[0], 5)
    step_s = (time.perf_counter() - begin) / 50
    print(f"10 000 meters: a register {register_s * 1e6:.1f} us; a register after another second {step_s * 1e3:.2f} ms")


def waveforms() -> None:
    """Samples a second of both ways from waveform to power, against reading."""
    rate_hz, seconds = 6400.0, 60
    moment_s = np.arange(int(rate_hz * seconds)) / rate_hz
    turn = 2 * np.pi * 50 * moment_s
    voltage_v = np.stack([325 * np.cos(turn - k) for k in (0.0, 2.1, 4.2)])
    wave = Waveform(voltage_v, voltage_v / 23, rate_hz)
    samples = 2 * voltage_v.size
    read_s = best_s(lambda: wave.voltage_v.sum() + wave.current_a.sum())
    print(f"\n{'waveform, 60 s x 3 x (U, I)':34}{'million samples/s':>18}{'of reading':>12}")
    for name, work in (("coherent", lambda: coherent(wave, 128)), ("incoherent", lambda: incoherent(wave))):
        work_s = best_s(work)
        print(f"{name:34}{samples / work_s / 1e6:18.0f}{work_s / read_s:11.1f}x")


def pandas_rate() -> None:
    """The same day of quarter hours as a long table with groupby."""
    if importlib.util.find_spec("pandas") is None:
        print("pandas is not installed: not compared")
        return
    import pandas as pd

    meters, steps = 2000, 96
    source = Recorded(steps, meters)
    power_w = source.arrays[0].sum(axis=0).ravel()
    frame = pd.DataFrame({"meter": np.tile(np.arange(meters), steps), "energy_wh": power_w / 4})

    def work() -> None:
        frame.assign(a_in=frame.energy_wh.clip(lower=0), a_out=-frame.energy_wh.clip(upper=0)).groupby("meter").sum()

    engine_s = best_s(lambda: engine_run(source, 900, meters, DAY_S))
    print(f"pandas, A+ and A- only: {best_s(work) / engine_s:.2f} times the engine's time for everything")


if __name__ == "__main__":
    fleets()
    days()
    waveforms()
    pandas_rate()
