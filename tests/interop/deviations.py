"""Where a peer deviates from the standard: collected while it reads, compared with `exceptions.txt` afterwards.

A deviation that is not in the file fails the test, and so does a line of the file that has ceased to be true.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("exceptions.txt")


class PeerError(Exception):
    """The peer could not do what it was asked; the cause is chained."""


class Refused(Exception):
    """The server refused, and the peer said so; `code` is the data-access-result or action-result."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with result {code}")
        self.code = code


class Deviations:
    """What one peer got wrong under one heading (`scope`) of the file."""

    def __init__(self, peer: str, scope: str) -> None:
        self.peer, self.scope = peer, scope
        self.found: dict[str, str] = {}

    @contextlib.contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Notes when the peer cannot do what is done inside."""
        try:
            yield
        except PeerError as fault:
            self.found[place] = f"fails: {fault}"

    def equal(self, place: str, came: Any, wanted: Any) -> None:
        """Notes when the peer came to something else, be it only in its type, or to nothing."""
        if isinstance(came, PeerError):
            self.found[place] = f"fails: {came}"
        elif type(came) is not type(wanted) or came != wanted:
            self.found[place] = f"comes to {came!r:.120}, not {wanted!r:.120}"

    def check(self) -> None:
        """Fails for what is new and for what is no longer so."""
        listed = listed_exceptions(self.peer, self.scope)
        new = {place: what for place, what in self.found.items() if place not in listed}
        gone = [place for place in listed if place not in self.found]
        assert not new, f"new deviations of {self.peer} in {self.scope}: {new}"
        assert not gone, (
            f"no deviations any more, of {self.peer} in {self.scope}: {gone}; strike them out of {FILE.name}"
        )


def listed_exceptions(peer: str, scope: str) -> dict[str, str]:
    """Place -> reason of the lines of the file for a peer and a scope."""
    return {place: reason for name, under, place, reason in exceptions() if (name, under) == (peer, scope)}


def exceptions() -> list[tuple[str, str, str, str]]:
    """The lines of the file: peer, scope, place, and the clause with what the peer does."""
    listed = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, under, place, reason = (part.strip() for part in line.split("|"))
            listed.append((name, under, place, reason))
    return listed
