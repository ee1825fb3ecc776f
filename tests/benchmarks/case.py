"""What a case and a contestant are; the cases themselves are data in `cases`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


def as_it_is(result: Any) -> Any:
    """The view of a contestant whose result needs no translation."""
    return result


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to do the work of a case.

    `call` is timed, and does all of the work; `view` is not, and turns the result into what the case expects.
    """

    call: Callable[[], Any]
    view: Callable[[Any], Any] = as_it_is


Table = Mapping[str, Contestant]
"""Name of a case -> how one library does it.  A case that is missing is not offered by that library, or takes it too long."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    `expected` is what every contestant must come to; a call does `count` of `unit`.  `target` is the ratio to the best
    peer that this project wants to reach, `slowest` how many times as fast as we the floor may be, None where the project
    names none; `note` explains what is not obvious.
    """

    name: str
    unit: str
    expected: Any
    target: float | None = None
    count: int = 1
    note: str = ""
    slowest: float | None = None
