"""Ring buffers of log rows for many meters: columns at integer width, one time axis as long as the meters agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.errors import EngineError
from meters.engine.quantity import Ints

_FIRST_CAPACITY = 32
_LARGEST = (1 << 32) - 1
"""What fits into a column of uint32, which every narrow column is."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of one meter, oldest first: `time_s` (end of the period, UTC on the meter's clock), `flags`
    (`events.Flag` bits), `ids` (running number since the meter was made), one integer array a column."""

    time_s: Ints
    flags: NDArray[np.uint32]
    ids: Ints
    columns: tuple[NDArray[np.integer[Any]], ...]


class Ring:
    """Rows of every meter of a tile.  Arrays are (row, meter); memory grows with the rows written, up to the depth."""

    def __init__(self, depth: int, meters: int, dtypes: tuple[type[np.integer[Any]], ...]) -> None:
        self.depth, self.meters = depth, meters
        self.capacity = min(depth, _FIRST_CAPACITY)
        self.even = True
        """All meters have always written their rows together."""
        self.written: Ints = np.zeros(meters, np.int64)
        self.valid: Ints = np.zeros(meters, np.int64)
        self.flags = np.zeros((self.capacity, meters), np.uint32)
        self.columns: list[NDArray[Any]] = [np.zeros((self.capacity, meters), dtype) for dtype in dtypes]
        self.time_s: Ints = np.zeros((self.capacity, 1), np.int64)
        """(row, 1) while all meters have rows of the same times, then (row, meter)."""

    def append(self, at: Ints, time_s: Ints, flags: NDArray[np.uint32], values: list[Ints]) -> None:
        """One row for each meter in `at` (ascending).  A column into which a value does not fit becomes one of int64."""
        if at.size == 0:
            return
        place = self._place(at)
        if self.time_s.shape[1] == 1 and self.even and not np.count_nonzero(time_s != time_s[0]):
            self.time_s[place] = time_s[0]
        else:
            self._separate()
            self.time_s[place] = time_s
        self.flags[place] = flags
        for index, value in enumerate(values):
            self._fitting(index, value)[place] = value
        who = slice(None) if at.size == self.meters else at
        self.written[who] += 1
        self.valid[who] = np.minimum(self.valid[who] + 1, self.depth)

    def extend(self, time_s: Ints, values: list[Ints]) -> None:
        """Rows (row, meter) of all meters at the same times, without marks, in a ring that is even."""
        assert self.even, "the meters have written their rows together so far"
        count, written = time_s.size, int(self.written[0])
        while self.capacity < min(self.depth, written + count):
            self._grow()
        kept = slice(max(count - self.capacity, 0), None)
        slots = (written + np.arange(count)[kept]) % self.capacity
        self.time_s[slots] = time_s[kept, None]
        self.flags[slots] = 0
        for index, value in enumerate(values):
            self._fitting(index, value)[slots] = value[kept]
        self.written += count
        self.valid = np.minimum(self.valid + count, self.depth)

    def _place(self, at: Ints) -> Any:
        """Where the next rows of the meters go, for which there is room then."""
        self.even = self.even and at.size == self.meters
        newest = int(self.written[0]) if self.even else int(self.written[at].max())
        if self.capacity < self.depth and newest >= self.capacity:
            self._grow()
        return newest % self.capacity if self.even else (self.written[at] % self.capacity, at)

    def _fitting(self, index: int, value: Ints) -> NDArray[Any]:
        """A column, wide enough for the values."""
        column = self.columns[index]
        if column.dtype != np.int64 and (value.max() > _LARGEST or value.min() < 0):
            column = self.columns[index] = column.astype(np.int64)
        return column

    def erase(self, at: Ints) -> None:
        """The meters' rows are gone; their numbering goes on."""
        self.valid[at] = 0

    def count(self, meter: int) -> int:
        """Rows that the meter keeps."""
        return int(self.valid[meter])

    def rows(self, meter: int, first: int, last: int) -> Rows:
        """Rows [first, last) counted from the oldest kept one.  EngineError outside of 0..count."""
        if not 0 <= first <= last <= self.valid[meter]:
            raise EngineError(f"rows {first}..{last} of {self.valid[meter]}")
        ids = np.arange(first, last) + (self.written[meter] - self.valid[meter])
        slot = ids % self.capacity
        times = self.time_s[slot, 0 if self.time_s.shape[1] == 1 else meter]
        columns = tuple(column[slot, meter] for column in self.columns)
        return Rows(times, self.flags[slot, meter], ids + 1, columns)

    def find(self, meter: int, from_s: int, to_s: int) -> Ints:
        """Indices of the rows with from_s <= time <= to_s; not contiguous when the clock was set back in between."""
        times = self.rows(meter, 0, self.count(meter)).time_s
        return np.flatnonzero((times >= from_s) & (times <= to_s))

    def table(self, from_s: int, to_s: int) -> tuple[Ints, Rows]:
        """The rows of all meters with from_s <= time <= to_s, by meter and age: (meter of each row, the rows)."""
        slots = np.arange(self.capacity)[:, None]
        newest = self.written[None] - 1
        ids = newest - (newest - slots) % self.capacity
        there = (ids > newest - self.valid) & (self.time_s >= from_s) & (self.time_s <= to_s)
        slot, meter = np.nonzero(there)
        order = np.lexsort((ids[slot, meter], meter))
        slot, meter = slot[order], meter[order]
        times = self.time_s[slot, 0 if self.time_s.shape[1] == 1 else meter]
        columns = tuple(column[slot, meter] for column in self.columns)
        return meter, Rows(times, self.flags[slot, meter], ids[slot, meter] + 1, columns)

    def _separate(self) -> None:
        if self.time_s.shape[1] != self.meters:
            self.time_s = np.repeat(self.time_s, self.meters, axis=1)

    def _grow(self) -> None:
        grown = min(self.depth, 2 * self.capacity)
        extra = grown - self.capacity

        def longer(array: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([array, np.zeros((extra, array.shape[1]), array.dtype)])

        self.time_s, self.flags = longer(self.time_s), longer(self.flags)
        self.columns = [longer(column) for column in self.columns]
        self.capacity = grown
