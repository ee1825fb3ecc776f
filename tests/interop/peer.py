"""What the tests want of a peer's client library, whichever it is."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from obis import Obis

Place = tuple[int, Obis, int]
"""Class, logical name, attribute or method."""


class Reading(NamedTuple):
    """One attribute: the encoded value that the peer put together, and the plain value it came to, or its PeerError."""

    encoded: bytes
    value: Any


@dataclass(frozen=True, slots=True)
class Seen:
    """One object of the association view as the peer understood it: access modes by attribute and method."""

    version: int
    attributes: Mapping[int, int]
    methods: Mapping[int, int]


class Peer(Protocol):
    """An association that a peer's client holds.  Every verb raises PeerError, and Refused where the server refused."""

    name: str
    failed: bool
    """Whether a verb has raised PeerError: its state is unknown then, so it is not closed in good order."""

    def objects(self) -> dict[tuple[int, Obis], Seen]:
        """The association view."""

    def get(self, place: Place) -> Reading:
        """One attribute."""

    def get_list(self, places: Sequence[Place]) -> list[Any]:
        """The plain values of several attributes in one request."""

    def rows_by_range(self, place: Place, start: datetime.datetime, end: datetime.datetime) -> list[Any]:
        """The rows between two moments, both included."""

    def rows_by_entry(self, place: Place, first: int, count: int) -> list[Any]:
        """Some rows, counted from 1."""

    def set(self, place: Place, tag: int, value: Any) -> None:
        """Write one attribute."""

    def call(self, place: Place, tag: int, value: Any) -> None:
        """Call one method."""

    def close(self) -> None:
        """Release where the meter knows it, disconnect, hang up."""

    def hang_up(self) -> None:
        """Close the connection without a word."""
