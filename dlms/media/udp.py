"""UDP: a port on which datagrams come from anybody."""

from __future__ import annotations

import contextlib
import socket

from dlms.errors import LinkError
from dlms.media import MAX_READ

Address = tuple[str, int]


class UdpPort:
    """One bound port.  Raises LinkError when it cannot be had."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except (OSError, ValueError, OverflowError) as fault:
            self._socket.close()
            raise LinkError(f"cannot listen on udp {host}:{port}: {fault}") from fault
        self.host, self.port = self._socket.getsockname()[:2]
        """Where it listens; the port that was given when 0 was asked for."""

    def receive(self, timeout_s: float | None) -> tuple[bytes, Address] | None:
        """The next datagram and whose it is, None when none came.  Raises LinkError when the port is closed."""
        try:
            self._socket.settimeout(None if timeout_s is None else max(timeout_s, 0.001))
            data, source = self._socket.recvfrom(MAX_READ)
        except (TimeoutError, ConnectionError):  # the port of somebody who was answered is gone
            return None
        except OSError as fault:
            raise LinkError(f"udp {self.host}:{self.port}: {fault}") from fault
        return data, (source[0], source[1])

    def send(self, data: bytes, address: Address) -> None:
        """One datagram.  Raises LinkError."""
        try:
            self._socket.sendto(data, address)
        except OSError as fault:
            raise LinkError(f"udp {address[0]}:{address[1]}: {fault}") from fault

    def close(self) -> None:
        """No more datagrams.  Never raises; more than once does no harm."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
