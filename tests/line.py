"""A line between two sans-IO machines on a virtual clock: it loses, damages, doubles, delays and cuts what it carries.

Nothing sleeps and nothing is random: what happens to the next message is asked from a `Fate` source, so a hypothesis
strategy decides in property tests and a list in examples. Messages overtake each other only where `overtakes` says so.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fate:
    """What the line does to one message; the default is that it arrives."""

    lost: bool = False
    copies: int = 1
    echo_s: float = 0.0
    """How much later each further copy comes."""
    delay_s: float = 0.0
    damage: tuple[int, int] | None = None
    """Position (modulo the length) and a mask for the octet there."""
    cut: int = 0
    """Octets in the first of two pieces; 0 for one piece."""


ARRIVES = Fate()


@dataclass
class Station:
    """One machine, as the four calls that the line needs."""

    receive_data: Callable[[bytes, float], None]
    data_to_send: Callable[[], list[bytes]]
    next_timeout: Callable[[], float | None]
    handle_timeout: Callable[[float], None]


@dataclass
class Line:
    """Carries messages between `near` and `far` and lets their timers run.

    `latency_s` is the time that every message takes, `gap_s` the time between the two pieces of one that is cut.
    """

    near: Station
    far: Station
    fate: Callable[[], Fate] = lambda: ARRIVES
    latency_s: float = 0.01
    gap_s: float = 0.001
    overtakes: bool = False
    """Messages are datagrams: one that is delayed does not hold up those behind it."""
    now: float = 0.0
    carried: list[tuple[str, bytes]] = field(default_factory=list)
    """Everything that was sent: "near" or "far", and the octets before the line did anything to them."""

    def __post_init__(self) -> None:
        self._arrivals: list[tuple[float, int, str, bytes]] = []
        self._order = itertools.count()
        self._free_at = {"near": 0.0, "far": 0.0}

    def run(self, until: Callable[[], bool], max_steps: int = 10_000) -> None:
        """Go from event to event until `until()` holds, or nothing is left to happen.

        Raises AssertionError after `max_steps`: the machines never come to rest.
        """
        for _ in range(max_steps):
            self._collect("near", self.near)
            self._collect("far", self.far)
            if until() or not self._step():
                return
        raise AssertionError(f"no rest after {max_steps} steps")

    def _collect(self, name: str, station: Station) -> None:
        for message in station.data_to_send():
            self.carried.append((name, message))
            self._send(name, message, self.fate())

    def _send(self, name: str, message: bytes, fate: Fate) -> None:
        if fate.lost or not message:
            return
        if fate.damage is not None:
            position, mask = fate.damage
            octets = bytearray(message)
            octets[position % len(octets)] ^= mask
            message = bytes(octets)
        pieces = [piece for piece in (message[: fate.cut], message[fate.cut :]) if piece]
        at = self.now + self.latency_s + fate.delay_s
        if not self.overtakes:
            at = max(at, self._free_at[name])
        for _ in range(fate.copies):
            for piece in pieces:
                heapq.heappush(self._arrivals, (at, next(self._order), name, piece))
                at += self.gap_s
            at += fate.echo_s
        self._free_at[name] = at

    def _step(self) -> bool:
        """Let the next thing happen: an arrival or a timer; arrivals first."""
        timers = [t for t in (self.near.next_timeout(), self.far.next_timeout()) if t is not None]
        due = min(timers, default=None)
        if self._arrivals and (due is None or self._arrivals[0][0] <= due):
            at, _, name, piece = heapq.heappop(self._arrivals)
            self.now = max(self.now, at)
            (self.far if name == "near" else self.near).receive_data(piece, self.now)
            return True
        if due is None:
            return False
        self.now = max(self.now, due)
        self.near.handle_timeout(self.now)
        self.far.handle_timeout(self.now)
        return True
