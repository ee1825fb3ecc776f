"""A serial port: direct HDLC at a fixed rate, 8N1, with suppression of a probe's echo."""

from __future__ import annotations

import contextlib

from dlms.errors import LinkError
from dlms.media import MAX_READ
from dlms.media.echo import EchoFilter

DEFAULT_BAUD = 9600


class SerialMedium:
    """One serial port.  `echo`: "auto" drops an echo when there is one, "off" takes every octet as the peer's."""

    def __init__(
        self, device: str, baud: int = DEFAULT_BAUD, *, echo: str = "auto", dtr: bool = True, rts: bool = False
    ) -> None:
        import serial

        self._device = device
        self._echo = EchoFilter() if echo == "auto" else None
        try:
            self._port = serial.Serial(None, baud, timeout=0)
            self._port.port = device
            self._port.dtr, self._port.rts = dtr, rts
            self._port.open()
        except (serial.SerialException, OSError, ValueError) as fault:
            raise LinkError(f"{device} cannot be opened: {fault}") from fault

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        if self._echo is not None:
            self._echo.sent(data)
        try:
            self._port.write(data)
        except OSError as fault:
            raise LinkError(f"{self._device}: {fault}") from fault

    def receive(self, timeout_s: float | None) -> bytes:
        """What has arrived, without the echo; empty when nothing came in time (or only echo)."""
        try:
            self._port.timeout = timeout_s
            data = bytes(self._port.read(1))
            if data:
                data += self._port.read(min(self._port.in_waiting, MAX_READ))
        except (OSError, TypeError) as fault:  # pyserial raises TypeError when the port is closed meanwhile
            raise LinkError(f"{self._device}: {fault}") from fault
        return data if self._echo is None else self._echo.received(data)

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._port.close()
