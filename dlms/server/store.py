"""The two ports through which a device reaches its values: `Store` for attributes, `Rows` for profile buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dlms import data as cosem_data
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.operations.profiles import wall_clock


class Rows(Protocol):
    """The buffer of a profile.  Rows are named by number, so that a long read keeps no encoded bytes."""

    def span(self) -> range:
        """The numbers of the rows in the buffer, oldest first.  A row keeps its number while others come and go."""

    def find(self, start: bytes, end: bytes) -> Sequence[int]:
        """The numbers of the rows whose time lies in [start, end], both COSEM date-times of 12 octets.

        Mostly a range; with gaps where the clock was set back.
        """

    def encode(self, indices: Sequence[int], columns: Sequence[int] | None) -> list[bytes]:
        """Each of the rows as an encoded structure, with all its columns or those of `columns` (counted from 0).

        One element for each index.  Raises AccessError(LONG_GET_ABORTED) when one of them is no longer there.
        """


class Store(Protocol):
    """The values of one device.  All three raise AccessError to refuse."""

    def advance(self, now: float) -> None:
        """Bring the values up to `now`."""

    def next_timeout(self) -> float | None:
        """When the device wants to do something by itself."""

    def get(self, ref: AttributeRef[Any]) -> Any:
        """A Data value, or Rows for the buffer of a profile."""

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        """Take a value that a client wrote; its type has not been checked."""

    def call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        """Carry out a method; returns what it returns, or None."""


class MemoryRows:
    """Rows in a list, for devices made by hand.  `time_column` holds date-times of 12 octets."""

    def __init__(self, rows: Sequence[tuple[Any, ...]], time_column: int = 0) -> None:
        self.rows = list(rows)
        self.time_column = time_column

    def span(self) -> range:
        """Rows are numbered from 0."""
        return range(len(self.rows))

    def find(self, start: bytes, end: bytes) -> range:
        """By year to hundredths; day of week, deviation and status do not take part."""
        low, high = wall_clock(start), wall_clock(end)
        inside = [i for i, row in enumerate(self.rows) if low <= wall_clock(row[self.time_column]) <= high]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def encode(self, indices: Sequence[int], columns: Sequence[int] | None) -> list[bytes]:
        """Each row on its own."""
        if indices and max(indices) >= len(self.rows):
            raise AccessError(AccessResult.LONG_GET_ABORTED)
        picked = (self.rows[index] for index in indices)
        if columns is None:
            return [cosem_data.encode(row) for row in picked]
        return [cosem_data.encode(tuple(row[column] for column in columns if column < len(row))) for row in picked]


class MemoryStore:
    """Values in a dictionary; methods as functions.  Written values must have the type of what they replace."""

    def __init__(self, values: dict[AttributeRef[Any], Any] | None = None) -> None:
        self.values: dict[AttributeRef[Any], Any] = {}
        self.methods: dict[MethodRef[Any], Callable[[Any], Any]] = {}
        self.now = 0.0
        for ref, value in (values or {}).items():
            self.put(ref, value)

    def put(self, ref: AttributeRef[Any], value: Any) -> None:
        """Hold a value (or MemoryRows); a plain number takes the declared type."""
        self.values[ref] = value if isinstance(value, MemoryRows) else typed(ref, value)

    def advance(self, now: float) -> None:
        """Nothing here changes by itself."""
        self.now = now

    def next_timeout(self) -> float | None:
        """Nothing here happens by itself."""
        return None

    def get(self, ref: AttributeRef[Any]) -> Any:
        """The value held."""
        if ref not in self.values:
            raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
        return self.values[ref]

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        """Replace a value by one of the same type."""
        held = self.get(ref)
        if type(value) is not type(held):
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
        try:
            self.values[ref] = typed(ref, value)
        except LocalProtocolError as fault:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault

    def call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        """Call the function registered for a method."""
        if ref not in self.methods:
            raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
        return self.methods[ref](parameter)
