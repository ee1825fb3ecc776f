"""Media: what carries bytes.  The only modules below the drivers that know sockets and serial ports."""

from __future__ import annotations

from typing import Protocol


class Medium(Protocol):
    """A line to one peer, for a blocking driver.  Every method raises dlms.errors.LinkError when the line fails."""

    def send(self, data: bytes) -> None:
        """Send all of `data`; a datagram where there are datagrams."""

    def receive(self, timeout_s: float | None) -> bytes:
        """What has arrived, waiting at most `timeout_s` (None: as long as it takes); empty when nothing came."""

    def close(self) -> None:
        """Hang up.  Never raises; more than once does no harm."""


MAX_READ = 65_536
"""Octets taken from a medium at once."""
