"""Whom to kill, and when; and what came of it."""

from __future__ import annotations

import collections
import dataclasses
import random

ROLES = ("client", "server")
STAGES = ("before", "within", "unwitnessed", "after")
CHANGES = ("lease", "accept")
POINTS = tuple(f"{stage} {change}" for change in CHANGES for stage in STAGES)
"""Before the change of a store; in the midst of its commit; when the file has it, not its witness; when it is durable."""
FILE_POINTS = ("before replace", "after replace")
"""Before a changed key file takes the place of the old one, and after."""
MESSAGES = ("aarq", "aare", "pass 3", "pass 4", "request", "response", "release")


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """One kill: whom, and when: at a `point` of the store, around a `message`, or after `delay_s`."""

    roles: tuple[str, ...]
    point: str = ""
    write: int = 0
    message: str = ""
    passed: bool = False
    """Whether the message has passed by then; else it never arrives."""
    delay_s: float = 0.0

    @property
    def name(self) -> str:
        """For the figures."""
        if self.point:
            return f"{self.roles[0]} {self.point}"
        if self.message:
            return f"{'after' if self.passed else 'before'} {self.message}"
        return f"random {' and '.join(self.roles)}"


def plans(kills: int, rng: random.Random, *, rotating: bool = False) -> list[Plan]:
    """So many kills; each targeted point comes as often as the others.  When keys are rotated, at their files too."""
    found: list[Plan] = []
    while len(found) < kills:
        some = [Plan((role,), point=point, write=rng.randrange(9)) for role in ROLES for point in POINTS]
        whom = [("client",), ("server",), ROLES]
        some += [Plan(rng.choice(whom), message=name, passed=passed) for name in MESSAGES for passed in (False, True)]
        some += [Plan(roles, delay_s=rng.uniform(0, 0.06)) for roles in whom for _ in range(4)]
        if rotating:
            some += [Plan((role,), point=point) for role in ROLES for point in FILE_POINTS for _ in range(4)]
        rng.shuffle(some)
        found += some
    return found[:kills]


@dataclasses.dataclass
class Found:
    """What a campaign has seen."""

    kills: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    worked: int = 0
    associations: int = 0
    rotated: int = 0
    resumed_s: list[float] = dataclasses.field(default_factory=list)
    tried: set[int] = dataclasses.field(default_factory=set)
    done: set[int] = dataclasses.field(default_factory=set)
    did: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    replayed: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    """Recorded messages used against the next life, by what answered them."""
    served: list[str] = dataclasses.field(default_factory=list)
    """Recorded messages that were not refused."""
    poisoned: int = 0
    """Old answers that were shown to the client."""
    faults: list[str] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)
    unknown: int = 0
    broken: list[str] = dataclasses.field(default_factory=list)
    took_s: float = 0.0
