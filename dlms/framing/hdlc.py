"""HDLC framing: APDUs in I frames behind the LLC octets, over the link of `hdlc.link`.  Green Book 8.

The client has one link.  The server has one for each pair of client and server address that speaks to it, for as many
physical devices as share the line.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from collections.abc import Iterator

from dlms.errors import LinkError, LocalProtocolError
from dlms.framing import (
    Connected,
    Disconnected,
    FramingEvent,
    Peer,
    PeerLost,
    PeerReceived,
    Received,
    ServerEvent,
    llc,
)
from dlms.limits import INACTIVITY_TIMEOUT_S, MAX_APDU, RESPONSE_TIMEOUT_S, RETRIES
from hdlc import Address, Frame, FrameReader, HdlcError, Parameters
from hdlc import link as hdlc_link
from hdlc.link import Link, LinkConfig
from hdlc.transitions import Role, State

CLIENT_PARAMETERS = Parameters(max_info_transmit=512, max_info_receive=512)
DEFAULT_PARAMETERS = Parameters()
INTER_OCTET_TIMEOUT_S = 0.5
MAX_LINKS = 64


_REASONS = {
    "timeout": "the meter does not answer",
    "refused": "the meter refuses the link",
    "disconnected-mode": "the meter has left the link",
    "frame-reject": "the meter rejects a frame",
    "parameters": "the meter's link parameters cannot be accepted",
    "message-too-long": "the meter's message is too long",
}


def _told(reason: str, by_peer: bool) -> str:
    """Why the link ended, for people."""
    if reason == "requested":
        return "the meter has hung up" if by_peer else reason
    return _REASONS.get(reason, reason)


class FrameInput:
    """Bytes of a line -> frames; half a frame that does not go on is given up."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.quiet_at: float | None = None
        """When the line has been silent for so long that no frame goes on; None when that has been noted."""

    def frames(self, data: bytes, now: float) -> list[Frame]:
        """The frames that `data` completes."""
        self.reader.feed(data)
        # also when nothing is pending: an old closing flag must not open a frame that lacks its own
        self.quiet_at = now + INTER_OCTET_TIMEOUT_S
        return self._found()

    def handle_timeout(self, now: float) -> list[Frame]:
        """Drop the half frame when it is time; the frames that it had hidden."""
        if self.quiet_at is None or now < self.quiet_at:
            return []
        self.quiet_at = None
        self.reader.drop_partial()
        return self._found()

    def _found(self) -> list[Frame]:
        return list(iter(self.reader.next_frame, None))


class HdlcClient:
    """The client's end.  `physical` is the device's physical address; None leaves it out (one-byte addressing).

    `address_size` is how many octets the server's address takes (1, 2 or 4), None the shortest.
    """

    max_apdu = MAX_APDU
    window = 1
    max_parallel = 1
    reliable = True

    def __init__(
        self,
        client_sap: int,
        server_sap: int,
        *,
        physical: int | None = None,
        address_size: int | None = None,
        parameters: Parameters = CLIENT_PARAMETERS,
        retries: int = RETRIES,
    ) -> None:
        self._retries = retries
        config = LinkConfig(
            parameters=parameters,
            response_timeout_s=RESPONSE_TIMEOUT_S / (retries + 1),
            retries=retries,
            always_two_octets=True,
        )
        try:
            own, peer = Address(client_sap), Address(server_sap, physical, address_size)
        except HdlcError as fault:
            raise LocalProtocolError(str(fault)) from fault
        self.link = Link(Role.PRIMARY, own, peer, config)
        self.input = FrameInput()
        self.segments = 0
        self._events: deque[FramingEvent] = deque()

    def connect(self, now: float) -> None:
        """Send SNRM."""
        with _translated():
            self.link.connect(now)
        self._drain()

    def send(self, apdu: bytes, now: float, *, reply: bool = True) -> None:
        """Send one APDU, in segments where it does not fit in one frame."""
        with _translated():
            self.link.send(llc.REQUEST + apdu, now, reply=reply)

    def disconnect(self, now: float) -> None:
        """Send DISC; the peer's answer or its absence ends it."""
        with _translated():
            self.link.disconnect(now)
        self._drain()

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium."""
        self._take(self.input.frames(data, now), now)

    def handle_timeout(self, now: float) -> None:
        """Give up on half a frame that does not go on, and do what is due in the link."""
        self._take(self.input.handle_timeout(now), now)
        self.link.handle_timeout(now)
        self._drain()

    def next_event(self) -> FramingEvent | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """One item for each frame."""
        return self.link.data_to_send()

    def next_timeout(self) -> float | None:
        """When the link or the reader waits no longer."""
        due = [moment for moment in (self.link.next_timeout(), self.input.quiet_at) if moment is not None]
        return min(due, default=None)

    def give_exchange(self, timeout_s: float) -> None:
        """Each try of the link gets its share of the budget."""
        share = timeout_s / (self._retries + 1)
        self.link.config = dataclasses.replace(self.link.config, response_timeout_s=share)

    @property
    def idle(self) -> bool:
        """Whether the link has acknowledged everything."""
        return self.link.state in (State.CONNECTED, State.DISCONNECTED)

    def _take(self, found: list[Frame], now: float) -> None:
        for frame in found:
            ignored = self.link.ignored_frames
            self.link.receive_frame(frame, now)
            self.segments += frame.segmented and self.link.ignored_frames == ignored
        self._drain()

    def _drain(self) -> None:
        while (event := self.link.next_event()) is not None:
            match event:
                case hdlc_link.Connected():
                    self._events.append(Connected())
                case hdlc_link.Received(info) | hdlc_link.ReceivedUi(info):
                    apdu = llc.strip(info, llc.RESPONSE)
                    if apdu is not None:
                        self._events.append(Received(apdu))
                case hdlc_link.Disconnected(reason, by_peer):
                    self._events.append(Disconnected(_told(reason, by_peer), not by_peer and reason == "requested"))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """What the link refuses to do now, as LinkError."""
    try:
        yield
    except HdlcError as fault:
        raise LinkError(str(fault)) from fault


class HdlcServer:
    """The server's end: a link for each pair of client and server address.

    `server_saps` are the logical devices, `physical` the physical addresses of the devices that share the line; None
    among them means that one-byte addresses, which name no physical device, are answered too.  A frame for anything
    else is ignored without an answer.
    """

    window = 1
    reliable = True
    in_turns = True

    def __init__(
        self,
        *,
        server_saps: frozenset[int],
        physical: frozenset[int | None] = frozenset((None,)),
        parameters: Parameters = DEFAULT_PARAMETERS,
        inactivity_timeout_s: float = INACTIVITY_TIMEOUT_S,
        always_two_octets: bool = False,
    ) -> None:
        self._server_saps, self._physical = server_saps, physical
        self._config = LinkConfig(
            parameters=parameters, inactivity_timeout_s=inactivity_timeout_s, always_two_octets=always_two_octets
        )
        self.input = FrameInput()
        self.fault: str | None = None
        """Never set: HDLC resynchronises after anything."""
        self.ignored = 0
        """Frames for addresses that are not served, or beyond `MAX_LINKS`."""
        self._links: dict[Peer, Link] = {}
        self._events: deque[ServerEvent] = deque()
        self._out: list[bytes] = []

    def send(self, peer: Peer, apdu: bytes, now: float) -> None:
        """Answer a client, in segments where the APDU does not fit in one frame."""
        if (link := self._up(peer)) is None:
            return
        try:
            link.send(llc.RESPONSE + apdu, now)
        except HdlcError:
            self.ignored += 1  # a client that asks on and on and never takes an answer
        self._out += link.data_to_send()

    def push(self, peer: Peer, apdu: bytes, now: float) -> None:
        """In a UI frame: at the next turn where the client has a link, at once where it has none.

        Raises LinkError when too many wait for that turn, LocalProtocolError for a peer that no address has.
        """
        link = self._links.get(peer)
        try:
            if link is None:
                own, client = Address(peer.server_sap, peer.physical), Address(peer.client_sap)
                link = Link(Role.SECONDARY, own, client, self._config)
        except HdlcError as fault:
            raise LocalProtocolError(str(fault)) from fault
        with _translated():
            link.send_ui(llc.RESPONSE + apdu, now)
        self._out += link.data_to_send()

    def push_capacity(self, peer: Peer) -> int:
        """What is left of an information field behind the LLC octets."""
        link = self._links.get(peer)
        parameters = self._config.parameters if link is None else link.parameters
        return parameters.max_info_transmit - len(llc.RESPONSE)

    def pass_turn(self, peer: Peer, now: float) -> None:
        """Acknowledge what a client sent, when there is nothing to answer."""
        if (link := self._up(peer)) is not None and link.state is State.REPLYING:
            link.acknowledge(now)
            self._out += link.data_to_send()

    def frame_capacity(self, peer: Peer) -> int | None:
        """What is left of an information field behind the LLC octets."""
        link = self._up(peer)
        parameters = self._config.parameters if link is None else link.parameters
        return parameters.max_info_transmit - len(llc.RESPONSE)

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium."""
        self._take(self.input.frames(data, now), now)

    def _take(self, found: list[Frame], now: float) -> None:
        for frame in found:
            peer = self._peer_of(frame)
            if peer is None:
                self.ignored += 1
                continue
            link = self._links.get(peer) or self._new_link(peer, frame)
            link.receive_frame(frame, now)
            self._drain(peer, link, now)

    def handle_timeout(self, now: float) -> None:
        """Give up on half a frame that does not go on, and drop clients that have been silent for too long."""
        self._take(self.input.handle_timeout(now), now)
        for peer, link in list(self._links.items()):
            link.handle_timeout(now)
            self._drain(peer, link, now)

    def next_event(self) -> ServerEvent | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """One item for each frame."""
        out, self._out = self._out, []
        return out

    def next_timeout(self) -> float | None:
        """When a link or the reader waits no longer."""
        due = [self.input.quiet_at, *(link.next_timeout() for link in self._links.values())]
        return min((moment for moment in due if moment is not None), default=None)

    def _up(self, peer: Peer) -> Link | None:
        """The link that takes an answer: at once when it holds the turn, else when it is polled.  None when it is down."""
        link = self._links.get(peer)
        return link if link is not None and link.state in (State.REPLYING, State.CONNECTED) else None

    def _peer_of(self, frame: Frame) -> Peer | None:
        upper, lower = frame.destination.upper, frame.destination.lower
        if upper not in self._server_saps or lower not in self._physical or frame.source.size != 1:
            return None  # a client's address has one octet
        return Peer(frame.source.upper, upper, lower)

    def _new_link(self, peer: Peer, frame: Frame) -> Link:
        if len(self._links) >= MAX_LINKS:
            oldest = next(iter(self._links))
            del self._links[oldest]
            self._lost(oldest, f"more than {MAX_LINKS} links on one line")
        link = self._links[peer] = Link(Role.SECONDARY, frame.destination, frame.source, self._config)
        return link

    def _drain(self, peer: Peer, link: Link, now: float) -> None:
        while (event := link.next_event()) is not None:
            match event:
                case hdlc_link.Connected():
                    self._lost(peer, "the client connects anew")
                case hdlc_link.Received(info):
                    apdu = llc.strip(info, llc.REQUEST)
                    if apdu is not None:
                        self._events.append(PeerReceived(peer, apdu))
                    elif link.state is State.REPLYING:
                        link.acknowledge(now)
                case hdlc_link.ReceivedUi():
                    self.ignored += 1
                case hdlc_link.Disconnected(reason):
                    self._lost(peer, reason)
        self._out += link.data_to_send()
        if link.state is State.DISCONNECTED:
            self._links.pop(peer, None)

    def _lost(self, peer: Peer, reason: str) -> None:
        """What the client has asked for on the link that is gone must not be answered on its next one."""
        void = [event for event in self._events if isinstance(event, PeerReceived) and event.peer == peer]
        for event in void:
            self._events.remove(event)
        self._events.append(PeerLost(peer, reason))
