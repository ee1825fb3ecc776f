"""Suppression of the echo that a passive optical probe or a two-wire bus gives of everything that is sent."""

from __future__ import annotations


class EchoFilter:
    """Drops from what is received the octets that were just sent, as long as they come back unchanged and in order.

    The first difference ends it: what was held back for comparison is then delivered, since it is not an echo.  So a
    line without echo loses nothing, and a probe need not be declared.
    """

    def __init__(self) -> None:
        self._expected = bytearray()
        self._matched = 0
        self.suppressed = 0
        """Octets dropped so far."""

    def sent(self, data: bytes) -> None:
        """Octets that went out and may come back."""
        self._expected += data

    def received(self, data: bytes) -> bytes:
        """What is left of `data` without the echo."""
        if not self._expected:
            return data
        wanted = self._expected[self._matched :]
        common = min(len(wanted), len(data))
        if data[:common] != wanted[:common]:
            held = bytes(self._expected[: self._matched])
            self._forget()
            return held + data
        self._matched += common
        if self._matched < len(self._expected):
            return b""
        self.suppressed += self._matched
        self._forget()
        return data[common:]

    def _forget(self) -> None:
        self._expected.clear()
        self._matched = 0
