"""Everything that crosses the line, to a callable or to logging, with secrets masked."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dlms.codec import Record

MASK = "**"


class Trace:
    """Writes one line for each piece of bytes and each APDU to `write`; octets of `secrets` come out as `**`."""

    def __init__(self, write: Callable[[str], object] | None = None, secrets: tuple[bytes, ...] = ()) -> None:
        self._write = write
        self._secrets = tuple(secret for secret in secrets if secret)

    def hiding(self, secret: bytes) -> Trace:
        """The same trace with one more secret masked."""
        return Trace(self._write, (*self._secrets, secret)) if self._write is not None else self

    def hide(self, secret: bytes) -> None:
        """Mask one more secret from now on."""
        if self._write is not None and secret:
            self._secrets = (*self._secrets, secret)

    def sent(self, data: bytes) -> None:
        """Bytes on their way to the peer."""
        if self._write is not None:
            self._write(f"> {self._masked(data)}")

    def received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self._write is not None:
            self._write(f"< {self._masked(data)}")

    def apdu_sent(self, apdu: Record) -> None:
        """An APDU before it is framed."""
        if self._write is not None:
            self._write(f">> {apdu.wire_name()}")

    def apdu_received(self, apdu: Record) -> None:
        """An APDU after it was decoded."""
        if self._write is not None:
            self._write(f"<< {apdu.wire_name()}")

    def _masked(self, data: bytes) -> str:
        text = data.hex()
        for secret in self._secrets:
            text = text.replace(secret.hex(), MASK * len(secret))
        return text


NO_TRACE = Trace()


def to_logging(logger: logging.Logger, secrets: tuple[bytes, ...] = ()) -> Trace:
    """A trace that goes to `logger` at level DEBUG."""
    return Trace(logger.debug, secrets)
