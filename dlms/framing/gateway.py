"""The client's end of any framing, through a gateway: every APDU goes out and comes back with its prefix.

A gateway stands between two networks.  What is sent to it with E6, the number of the network behind it and the physical
address of the device there, it passes on without them; what the device answers comes back with E7.  Green Book, gateway
protocol.
"""

from __future__ import annotations

import dataclasses

from dlms.apdu.errors import ExceptionResponse
from dlms.apdu.gateway import GatewayRequest, GatewayResponse
from dlms.codec import decode, encode
from dlms.errors import DecodeError, LocalProtocolError
from dlms.framing import Framing, FramingEvent, Received

MAX_ADDRESS = 0x7F


@dataclasses.dataclass(frozen=True, slots=True)
class Gateway:
    """The device behind a gateway: its network (0 is the default network) and its physical address there, in octets."""

    network_id: int
    physical_device_address: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.network_id <= 0xFF or not 0 < len(self.physical_device_address) <= MAX_ADDRESS:
            raise LocalProtocolError(f"{self}: networks are 0 to 255, addresses have 1 to {MAX_ADDRESS} octets")


class GatewayClient:
    """`below` carries the APDUs to the gateway.  What comes from another device, or without prefix, is counted `foreign`.

    Of what the gateway says itself only an exception-response is let through: it refuses what it was to pass on.
    """

    def __init__(self, below: Framing, to: Gateway) -> None:
        self._below, self._to = below, to
        self.max_apdu = below.max_apdu - len(encode(GatewayRequest(to.network_id, to.physical_device_address, b"")))
        self.window, self.max_parallel, self.reliable = below.window, below.max_parallel, below.reliable
        self.foreign = 0

    def connect(self, now: float) -> None:
        """Bring up the link to the gateway."""
        self._below.connect(now)

    def send(self, apdu: bytes, now: float, *, reply: bool = True) -> None:
        """Queue one APDU for the device."""
        prefixed = GatewayRequest(self._to.network_id, self._to.physical_device_address, apdu)
        self._below.send(encode(prefixed), now, reply=reply)

    def disconnect(self, now: float) -> None:
        """Bring down the link to the gateway."""
        self._below.disconnect(now)

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium."""
        self._below.receive_data(data, now)

    def handle_timeout(self, now: float) -> None:
        """What is due is due below."""
        self._below.handle_timeout(now)

    def next_event(self) -> FramingEvent | None:
        """The oldest event."""
        while (event := self._below.next_event()) is not None:
            if not isinstance(event, Received):
                return event
            apdu = self._unwrapped(event.apdu)
            if apdu is not None:
                return Received(apdu)
            self.foreign += 1
        return None

    def _unwrapped(self, data: bytes) -> bytes | None:
        if data[:1] == ExceptionResponse.prefix:
            return data
        try:
            answer = decode(GatewayResponse, data)
        except DecodeError:
            return None
        device = answer.network_id, answer.physical_device_address
        return answer.apdu if device == (self._to.network_id, self._to.physical_device_address) else None

    def data_to_send(self) -> list[bytes]:
        """Bytes for the medium, one item a datagram."""
        return self._below.data_to_send()

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        return self._below.next_timeout()

    def give_exchange(self, timeout_s: float) -> None:
        """Budget of the exchanges to come."""
        self._below.give_exchange(timeout_s)

    @property
    def segments(self) -> int:
        """Pieces of APDUs received so far."""
        return self._below.segments

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent or to be acknowledged."""
        return self._below.idle
