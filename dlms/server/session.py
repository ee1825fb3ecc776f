"""A session: one medium, its framing, and the associations that run over it.  Sans-IO; contract as `dlms.connection`.

What a request does to its objects is in `dlms.server.services`; here is who is associated and what is answered to what
cannot be served: an exception-response to what is unknown or not allowed, never an exception, never a hang.
"""

from __future__ import annotations

import dataclasses
from collections import deque

from dlms.acse import Aarq, Rlre, Rlrq, decode_acse
from dlms.apdu import ExceptionResponse, GeneralBlockTransfer, decode_apdu
from dlms.association import KINDS, Association, Kind, Role, State
from dlms.codec import Record, decode, encode
from dlms.enums import Conformance, ReleaseResponseReason, ServiceError, StateError
from dlms.errors import DecodeError, DlmsError, RemoteProtocolError
from dlms.framing import Peer, PeerLost, PeerReceived, ServerFraming
from dlms.general_block import BlockTransfer
from dlms.limits import MAX_APDU
from dlms.server.associate import answer
from dlms.server.device import Device, ServerAssociation
from dlms.server.objects import Context
from dlms.server.services import Services


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """The medium should be closed."""

    reason: str


class Associated:
    """One client's association: the state machine and, once open, the services that answer it."""

    def __init__(self, granted: ServerAssociation | None, window: int) -> None:
        self.granted = granted
        self.machine = Association(Role.SERVER)
        self.services: Services | None = None
        self._blocks = BlockTransfer(window)

    def close(self) -> None:
        """Back to nothing."""
        self.machine.lower_layer_lost()
        self._blocks.reset()
        self.services = None

    def receive(self, data: bytes) -> list[bytes]:
        """Answer one APDU, or one block of a general block transfer.

        Raises DecodeError for what is none, RemoteProtocolError for what is not allowed now.
        """
        if self.machine.state is not State.OPEN or self.services is None:
            raise RemoteProtocolError("there is no association")
        negotiated = self.machine.negotiated
        if len(data) > negotiated.max_receive > 0:
            return [_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG)]
        in_blocks = data[:1] == GeneralBlockTransfer.prefix
        if in_blocks:
            if Conformance.GENERAL_BLOCK_TRANSFER not in negotiated.conformance:
                raise RemoteProtocolError("general block transfer was not negotiated")
            acknowledgements = self._blocks.receive(decode(GeneralBlockTransfer, data))
            whole = self._blocks.take()
            if whole is None:
                return acknowledgements
            data = whole
        reply = self._serve(data, self.services)
        if reply is None:
            return []
        limit = negotiated.max_send or MAX_APDU
        if in_blocks or (len(reply) > limit and Conformance.GENERAL_BLOCK_TRANSFER in negotiated.conformance):
            return self._blocks.send(reply, limit)
        if len(reply) > limit:
            return [_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.PDU_TOO_LONG)]
        return [reply]

    def _serve(self, data: bytes, services: Services) -> bytes | None:
        request = decode_apdu(data)
        self.machine.receive(request)
        if KINDS[type(request)] is Kind.CONFIRM:
            return None
        reply = services.answer(request)
        if reply is None:
            return None
        self.machine.send(reply)
        return services.encode(reply)


class Session:
    """Serves `devices` over one medium.

    `devices` maps a physical address to its device; None is the one that answers when a framing knows no addresses.
    """

    def __init__(self, devices: dict[int | None, Device], framing: ServerFraming) -> None:
        self.devices, self.framing = devices, framing
        self._peers: dict[Peer, Associated] = {}
        self._events: deque[Close] = deque()
        self._closing = False

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium; one datagram at a time where there are datagrams."""
        self.framing.receive_data(data, now)
        self._drain(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`."""
        for device in self.devices.values():
            device.handle_timeout(now)
        self.framing.handle_timeout(now)
        self._drain(now)

    def next_event(self) -> Close | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """Bytes for the medium, one item a datagram."""
        return self.framing.data_to_send()

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, None when nothing is waited for."""
        due = [self.framing.next_timeout(), *(device.next_timeout() for device in self.devices.values())]
        return min((moment for moment in due if moment is not None), default=None)

    def _drain(self, now: float) -> None:
        while (event := self.framing.next_event()) is not None:
            match event:
                case PeerReceived(peer, apdu):
                    replies = self._answer(peer, apdu, now)
                    for reply in replies:
                        self.framing.send(peer, reply, now)
                    if not replies:
                        self.framing.pass_turn(peer, now)
                case PeerLost(peer):
                    if (lost := self._peers.pop(peer, None)) is not None:
                        lost.close()
        if self.framing.fault is not None and not self._closing:
            self._closing = True
            self._events.append(Close(self.framing.fault))

    def _answer(self, peer: Peer, data: bytes, now: float) -> list[bytes]:
        device = self.devices.get(peer.physical)
        if device is None:
            return []
        device.handle_timeout(now)
        if peer not in self._peers:
            granted = device.associations.get((peer.client_sap, peer.server_sap))
            self._peers[peer] = Associated(granted, self.framing.window)
        associated = self._peers[peer]
        try:
            if data[:1] in (b"\x60", b"\x62"):
                return self._acse(associated, decode_acse(data), device, peer)
            return associated.receive(data)
        except DecodeError:
            return [_exception(StateError.SERVICE_UNKNOWN, ServiceError.SERVICE_NOT_SUPPORTED)]
        except RemoteProtocolError:
            return [_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)]
        except DlmsError:
            return [_exception(StateError.SERVICE_NOT_ALLOWED, ServiceError.OTHER_REASON)]

    def _acse(self, associated: Associated, apdu: Record, device: Device, peer: Peer) -> list[bytes]:
        machine = associated.machine
        if isinstance(apdu, Rlrq):
            machine.receive(apdu)
            released = Rlre(int(ReleaseResponseReason.NORMAL))
            machine.send(released)
            associated.close()
            return [encode(released)]
        assert isinstance(apdu, Aarq)
        associated.close()  # an AARQ on an open association opens it anew: nothing of the old one is kept
        machine.receive(apdu)
        decision = answer(apdu, associated.granted, device)
        if decision.negotiated is not None and associated.granted is not None:
            machine.negotiated = decision.negotiated
            context = Context(device, associated.granted, decision.negotiated)
            associated.services = Services(context, self.framing.frame_capacity(peer))
        if decision.aare is None:
            machine.state = State.OPEN  # an unconfirmed association is open without an answer
            return []
        machine.send(decision.aare)
        return [encode(decision.aare)]


def _exception(state: StateError, service: ServiceError) -> bytes:
    return encode(ExceptionResponse(int(state), int(service)))
