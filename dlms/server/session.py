"""A session: one medium, its framing, and the associations that run over it.  Sans-IO; contract as `dlms.connection`.

Here is who is associated; what one association answers is in `dlms.server.associated`.
What cannot be served is answered as `dlms.server.refusals` says, never with an exception, never with a hang.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from typing import TYPE_CHECKING

from dlms.acse import Aarq, Rlrq, decode_acse
from dlms.association import State
from dlms.codec import Record, encode
from dlms.errors import DlmsError, LinkError, LocalProtocolError, RemoteProtocolError
from dlms.framing import Peer, PeerLost, PeerReceived, ServerFraming
from dlms.limits import RESPONSE_TIMEOUT_S, RETRIES
from dlms.security.counters import CounterError
from dlms.server.associate import answer, not_now, standing
from dlms.server.associated import Associated
from dlms.server.device import Device
from dlms.server.port_protection import PortProtection, ProtectionStatus
from dlms.server.pushes import Pushed
from dlms.server.refusals import Fault, fault_of
from obis import Obis

if TYPE_CHECKING:
    from dlms.server.push_protection import PushProtection


@dataclasses.dataclass(frozen=True, slots=True)
class Close:
    """The medium should be closed."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Confirmed:
    """A client has taken the confirmed notification with this invoke-id."""

    peer: Peer
    invoke_id: int


class Session:
    """Serves `devices` over one medium.

    `devices` maps a physical address to its device; None is the one that answers when a framing knows no addresses.
    `port` is the logical name of the object that sets the medium up in them, by which they know how it is protected.
    """

    def __init__(self, devices: dict[int | None, Device], framing: ServerFraming, *, port: Obis | None = None) -> None:
        self.devices, self.framing, self.port = devices, framing, port
        self._peers: dict[Peer, Associated] = {}
        self._in_blocks: dict[Peer, Associated] = {}
        """Those whose general blocks have a timer that runs."""
        self._events: deque[Close | Confirmed | Pushed] = deque()
        self._closing = False

    def push(
        self,
        peer: Peer,
        apdu: Record,
        now: float,
        protection: PushProtection | None = None,
        *,
        acknowledged: bool = False,
    ) -> None:
        """Send a notification to a client, in general blocks without acknowledgement where it is too long for one APDU.

        With `protection` it is protected by itself, not as the association that may be open wants it.

        One that is to be `acknowledged` goes in general blocks in any case, one after the other: lost blocks are sent again,
        and `Pushed` tells whether the client has it.  That takes an association that is open, with general block transfer
        and its own protection, and a layer below where a client can speak when it likes (the wrapper, not HDLC).

        Raises LocalProtocolError for what is no notification, was not negotiated in the association that is open, or is
        longer than the client or the layer below takes; LinkError when too much waits to be sent already.
        """
        device = self.devices.get(peer.physical)
        if device is None:
            raise LocalProtocolError(f"no device at {peer}")
        associated, capacity = self._associated(peer, device), self.framing.push_capacity(peer)
        if acknowledged:
            if self.framing.in_turns:
                raise LocalProtocolError("nobody acknowledges what is pushed on a line where the client must ask first")
            if protection is not None:
                raise LocalProtocolError("an acknowledged push is protected as its association wants it")
            self._push(peer, associated.push_acknowledged(apdu, capacity, now), now)
            return self._time(peer, associated)
        pieces = associated.push(apdu, capacity, protection)
        if protection is not None:
            self._peers[peer] = associated  # what confirms it must be protected too
        for piece in pieces:
            self.framing.push(peer, piece, now)

    def _push(self, peer: Peer, pieces: list[bytes], now: float) -> None:
        """Blocks that the layer below cannot take now are lost, like others."""
        for piece in pieces:
            with contextlib.suppress(LinkError):
                self.framing.push(peer, piece, now)

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium; one datagram at a time where there are datagrams."""
        self.framing.receive_data(data, now)
        self._drain(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`."""
        for device in self.devices.values():
            device.handle_timeout(now)
        self.framing.handle_timeout(now)
        for peer, associated in list(self._in_blocks.items()):
            for piece in associated.blocks.handle_timeout(now):
                self.framing.send(peer, piece, now)
            self._push(peer, associated.pushes.handle_timeout(now), now)
            self._time(peer, associated)
        self._drain(now)

    def next_event(self) -> Close | Confirmed | Pushed | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """Bytes for the medium, one item a datagram."""
        return self.framing.data_to_send()

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, None when nothing is waited for."""
        blocks = (one.next_timeout() for one in self._in_blocks.values())
        due = [self.framing.next_timeout(), *blocks, *(device.next_timeout() for device in self.devices.values())]
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
                    if (associated := self._peers.get(peer)) is not None and associated.pushes:
                        self._push(peer, associated.pushes_behind(now), now)
                        self._time(peer, associated)
                case PeerLost(peer):
                    if (lost := self._peers.pop(peer, None)) is not None:
                        lost.close()
                        self._time(peer, lost)
        if self.framing.fault is not None and not self._closing:
            self._closing = True
            self._events.append(Close(self.framing.fault))

    def _answer(self, peer: Peer, data: bytes, now: float) -> list[bytes]:
        device = self.devices.get(peer.physical)
        if device is None:
            return []
        device.handle_timeout(now)
        associated = self._associated(peer, device)
        repeats = associated.repeats
        if repeats is None:
            return self._served(peer, associated, device, data, now)
        answers = repeats.again(data, now)
        if answers is None:
            for held in repeats.held_back(data):
                self._served(peer, associated, device, held, now)  # its acknowledgement has been sent
            answers = self._served(peer, associated, device, data, now)
            associated.remember(data, answers, now)
        return answers

    def _served(self, peer: Peer, associated: Associated, device: Device, data: bytes, now: float) -> list[bytes]:
        port = device.port(self.port) if device.ports else None
        locked = port is not None and port.status(now) is not ProtectionStatus.UNLOCKED
        try:
            if data[:1] in (b"\x60", b"\x62"):
                associated.pushes.interrupt()
                answers = self._acse(associated, decode_acse(data), device, peer, now, locked=locked)
            elif locked and associated.machine.state is State.AUTHENTICATING:
                associated.close()
                raise RemoteProtocolError("the port is locked")
            else:
                answers = associated.receive(data, now)
            self._judged(associated, port, peer, now)
            return answers
        except CounterError as fault:
            return associated.refused(data, Fault.COUNTER, fault.expected)
        except DlmsError as fault:
            return associated.refused(data, fault_of(fault))
        finally:
            self._time(peer, associated)
            self._events.extend(Confirmed(peer, number) for number in associated.confirmed)
            associated.confirmed.clear()

    def _judged(self, associated: Associated, port: PortProtection | None, peer: Peer, now: float) -> None:
        """Tell the port how an authentication ended, before the client hears of it."""
        proved, associated.proved = associated.proved, None
        if port is None or proved is None:
            return
        try:
            port.succeeded(peer.client_sap) if proved else port.failed(peer.client_sap, now)
        except DlmsError:
            associated.close()  # what cannot be counted is not let in
            raise

    def _time(self, peer: Peer, associated: Associated) -> None:
        """Keep those whose timer runs, and no others; tell what has become of pushes."""
        self._events.extend(associated.pushes.ended(peer))
        if associated.next_timeout() is not None:
            self._in_blocks[peer] = associated
        elif self._in_blocks:
            self._in_blocks.pop(peer, None)

    def _associated(self, peer: Peer, device: Device) -> Associated:
        """What is known of a client; nothing is kept of who can have no association."""
        if peer in self._peers:
            return self._peers[peer]
        granted = device.associations.get((peer.client_sap, peer.server_sap))
        wait_s = None if self.framing.reliable else RESPONSE_TIMEOUT_S / (RETRIES + 1)
        associated = Associated(granted, self.framing.window, wait_s)
        if granted is not None:
            self._peers[peer] = associated
            if granted.pre_established is not None:
                held, associated.ciphering = standing(granted, device)
                associated.serve(held, device, self.framing.frame_capacity(peer))
                associated.machine.opened(held)
        return associated

    def _acse(
        self, associated: Associated, apdu: Record, device: Device, peer: Peer, now: float, *, locked: bool
    ) -> list[bytes]:
        machine = associated.machine
        pre_established = associated.granted is not None and associated.granted.pre_established is not None
        if isinstance(apdu, Rlrq):
            if pre_established:
                raise RemoteProtocolError("a pre-established association cannot be released")
            machine.receive(apdu)
            released = associated.released(apdu)
            machine.send(released)
            if machine.state is State.CLOSED:
                associated.close()
            return [encode(released)]
        assert isinstance(apdu, Aarq)
        if pre_established:
            refused = answer(apdu, associated.granted, device).aare
            return [] if refused is None else [encode(refused)]
        associated.renew(device)
        decision = not_now(apdu) if locked else answer(apdu, associated.granted, device, associated.waiting(apdu, now))
        associated.proved = decision.authenticated
        if decision.negotiated is None and associated.ciphering is not None and decision.aare is not None:
            return [encode(decision.aare)]  # what is under protection does not end because of what proves nothing
        associated.close()  # an AARQ on an open association opens it anew: nothing else of the old one is kept
        machine.receive(apdu)
        if decision.negotiated is not None:
            associated.accept(decision, device, self.framing.frame_capacity(peer))
        if decision.aare is None:  # an unconfirmed association is open, or is not, without an answer
            if decision.negotiated is None:
                machine.lower_layer_lost()
            else:
                machine.opened(decision.negotiated)
            return []
        machine.send(decision.aare)
        return [encode(decision.aare)]
