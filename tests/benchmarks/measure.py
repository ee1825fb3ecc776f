"""Checks what every contestant of a case comes to, then times them in turn, round after round."""

from __future__ import annotations

import contextlib
import gc
import io
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.benchmarks.case import Case, Contestant, Table
from tests.benchmarks.cases import FLOOR_NAME, OURS


class WrongResult(AssertionError):
    """A contestant does not come to what the case expects: its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure: the time of one turn and how many rounds of turns there are."""

    turn_s: float
    rounds: int


THOROUGH = Effort(turn_s=0.05, rounds=15)
QUICK = Effort(turn_s=0.002, rounds=3)


@dataclass(frozen=True, slots=True)
class Measured:
    """The rates of one case, in its unit a second, by contestant; who is not in `rates` does not offer it."""

    case: Case
    rates: Mapping[str, float]

    @property
    def best_peer(self) -> str | None:
        """The fastest of the others, None when none of them takes part."""
        peers = [name for name in self.rates if name not in (OURS, FLOOR_NAME)]
        return max(peers, key=lambda name: self.rates[name], default=None)

    @property
    def to_best_peer(self) -> float | None:
        """How many times as fast as the best peer we are."""
        return None if self.best_peer is None else self.rates[OURS] / self.rates[self.best_peer]

    @property
    def to_floor(self) -> float:
        """How many times as fast as we the floor is."""
        return self.rates[FLOOR_NAME] / self.rates[OURS]


def measure(case: Case, tables: Mapping[str, Table], effort: Effort) -> Measured:
    """The median rates of all contestants of a case.  Raises WrongResult before anything is timed."""
    entered = {name: table[case.name] for name, table in tables.items() if case.name in table}
    with quiet():
        for name, contestant in entered.items():
            check(case, name, contestant)
        times = _times(entered, effort)
    return Measured(case, {name: case.count / statistics.median(per_call) for name, per_call in times.items()})


def check(case: Case, name: str, contestant: Contestant) -> None:
    """Does the work twice, since state that is left behind must not change it.  Raises WrongResult."""
    for _ in range(2):
        result = contestant.view(contestant.call())
        if result != case.expected:
            raise WrongResult(f"{case.name} by {name}: {result!r:.200}, not {case.expected!r:.200}")


def _times(entered: Mapping[str, Contestant], effort: Effort) -> dict[str, list[float]]:
    """Seconds of CPU a call, once a round for each: a round is short, so that noise hits all of them alike."""
    repeats = {name: _repeats(contestant, effort.turn_s) for name, contestant in entered.items()}
    times: dict[str, list[float]] = {name: [] for name in entered}
    with _without_collection():
        for _ in range(effort.rounds):
            for name, contestant in entered.items():
                times[name].append(_turn(contestant, repeats[name]) / repeats[name])
    return times


def _repeats(contestant: Contestant, turn_s: float) -> int:
    """How many calls fill a turn."""
    repeats = 1
    while (taken := _turn(contestant, repeats)) < turn_s / 4:
        repeats *= 4
    return max(1, round(repeats * turn_s / taken)) if taken else repeats


def _turn(contestant: Contestant, repeats: int) -> float:
    """Seconds of CPU for so many calls.  CPU and not the clock on the wall: others work on the same machine."""
    call = contestant.call
    start = time.thread_time()
    for _ in range(repeats):
        call()
    return time.thread_time() - start


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection inside a turn, as in `timeit`."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what a peer prints off the terminal."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
