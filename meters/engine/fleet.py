"""A fleet too large for one engine: shards that are simulated anywhere, piece by piece, and can be taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Protocol

from meters.engine import snapshot
from meters.engine.block import Source
from meters.engine.config import Config
from meters.engine.engine import Engine
from meters.engine.errors import EngineError
from meters.engine.quantity import CHANNELS

DAY_S = 86_400
SHARD = 8192
LOOK_S = 0.5
"""How often somebody who looks on is told while the work is elsewhere."""


class Sink(Protocol):
    """Where results go.  It must be picklable, and writing a piece again must replace it: a restart may repeat one."""

    def write(self, engine: Engine, from_s: int, to_s: int) -> None:
        """Take what the engine's meters (numbers `engine.first` on) logged in (from_s, to_s]."""
        ...

    def finish(self, engine: Engine) -> None:
        """Take what the engine's meters show at the end."""
        ...


class Checkpoints(Protocol):
    """Where the state of shards is kept, by the number of their first meter."""

    def load(self, first: int) -> bytes | None:
        """The state that was saved last; None if there is none."""
        ...

    def save(self, first: int, now_s: int, state: bytes) -> None:
        """Keep the state at `now_s` (UTC) instead of the last one, wholly or not at all."""
        ...


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What one shard came to: sums of its meters' registers, as channels (A+, A-, Q1..Q4, S+, S-) in micro-Wh."""

    first: int
    meters: int
    now_s: int
    energy_uwh: tuple[int, ...]


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

    @property
    def shards(self) -> int:
        """How many there are, the last perhaps smaller."""
        return -(-self.meters // self.shard)

    def simulate(
        self,
        until_s: int,
        *,
        piece_s: int = DAY_S,
        sink: Sink | None = None,
        checkpoints: Checkpoints | None = None,
        executor: Executor | None = None,
        shards: Iterable[int] | None = None,
        per_task: int = 1,
        look: Callable[[], None] | None = None,
    ) -> Iterator[ShardResult]:
        """Let shards (None: all) live up to `until_s`; results come in order of shards, as they are done.

        After each piece of time a shard hands its rows to the sink, then its state to the checkpoints, from where a
        later call goes on; EngineError when they hold the state of another fleet.  Without an executor everything runs
        here, one shard after the other; with one, tasks of `per_task` shards go there.  `look` is called now and then.
        """
        if piece_s < 1 or per_task < 1:
            raise EngineError(f"pieces of {piece_s} s, tasks of {per_task} shards make no progress")
        numbers = list(range(self.shards) if shards is None else shards)
        life = _Life(self, until_s, piece_s, sink, checkpoints)
        if executor is None:
            return (life.live(number, look) for number in numbers)
        parts = [numbers[at : at + per_task] for at in range(0, len(numbers), per_task)]
        return _gather([executor.submit(_live_all, life, part) for part in parts], look or _nobody)

    def engine(self, number: int) -> Engine:
        """The new-born engine of a shard."""
        first = number * self.shard
        if not 0 <= first < self.meters:
            raise EngineError(f"there is no shard {number} of {self.shards}")
        return Engine(self.config, self.source, self.start_s, min(self.shard, self.meters - first), first=first)


@dataclass(frozen=True, slots=True)
class _Life:
    """Everything that a worker needs, small enough to be sent."""

    fleet: Fleet
    until_s: int
    piece_s: int
    sink: Sink | None
    checkpoints: Checkpoints | None

    def live(self, number: int, look: Callable[[], None] | None = None) -> ShardResult:
        """One shard, from its last checkpoint on."""
        engine = self.fleet.engine(number)
        of = ""
        if self.checkpoints is not None:
            of = snapshot.identity(engine)
            engine = self._taken_up(engine, of, self.checkpoints)
        while engine.now_s < self.until_s:
            from_s = engine.now_s
            engine.advance(min(self.until_s, (from_s // self.piece_s + 1) * self.piece_s))
            if self.sink is not None:
                self.sink.write(engine, from_s, engine.now_s)
            if self.checkpoints is not None:
                self.checkpoints.save(engine.first, engine.now_s, snapshot.save(engine, of))
            if look is not None:
                look()
        if self.sink is not None:
            self.sink.finish(engine)
        sums = sum(tile.energy.total[:, 0].sum(axis=1) for tile in engine.tiles)
        assert not isinstance(sums, int), "an engine has tiles"
        return ShardResult(engine.first, engine.meters, engine.now_s, tuple(int(sums[c]) for c in range(CHANNELS)))

    @staticmethod
    def _taken_up(engine: Engine, of: str, checkpoints: Checkpoints) -> Engine:
        state = checkpoints.load(engine.first)
        if state is None:
            return engine
        try:
            return snapshot.restore(engine, of, state)
        except EngineError as fault:
            raise EngineError(f"the checkpoint of the meters from number {engine.first} on: {fault}") from fault


def _live_all(life: _Life, numbers: list[int]) -> list[ShardResult]:
    """A task for a worker.  At the top of the module, so that it can be sent there."""
    return [life.live(number) for number in numbers]


def _gather(futures: list[Future[list[ShardResult]]], look: Callable[[], None]) -> Iterator[ShardResult]:
    """The results of all in their order; the first failure cancels what has not begun."""
    try:
        for future in futures:
            while not future.done():
                wait(futures, LOOK_S, "FIRST_EXCEPTION")
                failed = [one for one in futures if one.done() and one.exception() is not None]
                if failed:
                    failed[0].result()
                look()
            yield from future.result()
    finally:
        for future in futures:
            future.cancel()


def _nobody() -> None:
    """Nobody looks."""
