"""A fleet too large for one engine: shards that are simulated anywhere, piece by piece, and can be taken up again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from meters.engine.block import Source
from meters.engine.config import Config
from meters.engine.engine import Engine
from meters.engine.errors import EngineError
from meters.engine.quantity import CHANNELS

DAY_S = 86_400
SHARD = 8192


class Sink(Protocol):
    """Where results go.  It must be picklable, and writing a piece again must replace it: a restart may repeat one."""

    def write(self, engine: Engine, from_s: int, to_s: int) -> None:
        """Take what the engine's meters (numbers `engine.first` on) logged in (from_s, to_s]."""
        ...


class Checkpoints(Protocol):
    """Where the state of shards is kept, by the number of their first meter."""

    def load(self, first: int) -> bytes | None:
        """The state that was saved last; None if there is none."""
        ...

    def save(self, first: int, state: bytes) -> None:
        """Keep a state instead of the last one, wholly or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What one shard came to: sums of its meters' registers, as channels (A+, A-, Q1..Q4, S+, S-) in micro-Wh."""

    first: int
    meters: int
    now_s: int
    energy_uwh: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """Everything that a worker needs, small enough to be sent."""

    config: Config
    source: Source
    start_s: int
    until_s: int
    piece_s: int
    first: int
    meters: int
    sink: Sink | None
    checkpoints: Checkpoints | None


@dataclass(frozen=True, slots=True)
class Fleet:
    """`meters` meters of one model that live from `start_s` on, `shard` of them at a time.

    A meter's measurements depend on its number alone, so neither the size of shards nor where they run matters.
    """

    config: Config
    source: Source
    start_s: int
    meters: int
    shard: int = SHARD

    def __post_init__(self) -> None:
        if self.meters < 1 or self.shard < 1:
            raise EngineError(f"{self.meters} meters in shards of {self.shard} are nothing to simulate")

    def simulate(
        self,
        until_s: int,
        *,
        piece_s: int = DAY_S,
        sink: Sink | None = None,
        checkpoints: Checkpoints | None = None,
        executor: Executor | None = None,
    ) -> Iterator[ShardResult]:
        """Let all shards live up to `until_s`; results come in order of shards, as they are done.

        After each piece of time a shard hands its rows to the sink, then its state to the checkpoints, from where a
        later call goes on.  Without an executor everything runs here, one shard after the other.  States are pickles:
        take them from nobody but yourself.
        """
        if piece_s < 1:
            raise EngineError(f"pieces of {piece_s} s make no progress")
        tasks = [
            _Task(
                self.config,
                self.source,
                self.start_s,
                until_s,
                piece_s,
                first,
                min(self.shard, self.meters - first),
                sink,
                checkpoints,
            )
            for first in range(0, self.meters, self.shard)
        ]
        return map(_run, tasks) if executor is None else executor.map(_run, tasks)


def _run(task: _Task) -> ShardResult:
    """One shard, from its last checkpoint on.  At the top of the module, so that it can be sent to a worker."""
    state = None if task.checkpoints is None else task.checkpoints.load(task.first)
    engine = _new(task) if state is None else pickle.loads(state)
    if not isinstance(engine, Engine) or (engine.first, engine.meters) != (task.first, task.meters):
        raise EngineError(f"the checkpoint of shard {task.first} is not one of {task.meters} meters")
    while engine.now_s < task.until_s:
        from_s = engine.now_s
        engine.advance(min(task.until_s, (from_s // task.piece_s + 1) * task.piece_s))
        if task.sink is not None:
            task.sink.write(engine, from_s, engine.now_s)
        if task.checkpoints is not None:
            task.checkpoints.save(task.first, pickle.dumps(engine, pickle.HIGHEST_PROTOCOL))
    sums = sum(tile.energy.total[:, 0].sum(axis=1) for tile in engine.tiles)
    assert not isinstance(sums, int), "an engine has tiles"
    return ShardResult(task.first, task.meters, engine.now_s, tuple(int(sums[c]) for c in range(CHANNELS)))


def _new(task: _Task) -> Engine:
    return Engine(task.config, task.source, task.start_s, task.meters, first=task.first)
