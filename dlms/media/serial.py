"""A serial port: direct HDLC at a fixed rate, 8N1, with suppression of a probe's echo."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

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
        self._closed = False
        self._reading, self._writing = threading.Lock(), threading.Lock()
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
        with self._writing, self._translated():
            self._port.write(data)

    def receive(self, timeout_s: float | None) -> bytes:
        """What has arrived, without the echo; empty when nothing came in time (or only echo)."""
        with self._reading, self._translated():
            self._port.timeout = timeout_s
            data = bytes(self._port.read(1))
            if data:
                data += self._port.read(min(self._port.in_waiting, MAX_READ))
        return data if self._echo is None else self._echo.received(data)

    def close(self) -> None:
        """Give the port back, also under a thread that waits in `receive`."""
        self._closed = True
        with contextlib.suppress(OSError):
            for name in ("cancel_read", "cancel_write"):  # not every platform has them
                getattr(self._port, name, lambda: None)()
            with self._reading, self._writing:
                self._port.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        if self._closed:
            raise LinkError(f"{self._device} is closed")
        try:
            yield
        except OSError as fault:
            raise LinkError(f"{self._device}: {fault}") from fault
