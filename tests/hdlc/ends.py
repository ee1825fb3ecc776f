"""Both ends of a link as tests drive them: a reader, a link, and what its user does."""

from __future__ import annotations

from collections.abc import Callable

from hdlc.address import Address
from hdlc.frame import Frame, Kind, decode_frame
from hdlc.limits import INTER_OCTET_TIMEOUT_S
from hdlc.link import Connected, Disconnected, Event, Link, LinkConfig, Received
from hdlc.reader import FrameReader
from hdlc.transitions import Role, State
from tests.line import Station

CLIENT, SERVER = Address(16), Address(1)


class End:
    """One link with its reader and the inter-octet timer of its port; `answer` makes the reply to a message."""

    def __init__(
        self,
        role: Role,
        config: LinkConfig | None = None,
        answer: Callable[[bytes], bytes | None] | None = None,
        own: Address | None = None,
        peer: Address | None = None,
    ) -> None:
        near, far = (CLIENT, SERVER) if role is Role.PRIMARY else (SERVER, CLIENT)
        self.link = Link(role, own or near, peer or far, config)
        self.reader = FrameReader()
        self.answer = answer
        self.events: list[Event] = []
        self.received: list[bytes] = []
        self.silent_at: float | None = None
        self.now = 0.0

    def receive_data(self, data: bytes, now: float) -> None:
        self.now = now
        self.reader.feed(data)
        while (frame := self.reader.next_frame()) is not None:
            self.link.receive_frame(frame, now)
            self._take_events()
        self.silent_at = now + INTER_OCTET_TIMEOUT_S if self.reader.pending else None

    def data_to_send(self) -> list[bytes]:
        self._take_events()
        return self.link.data_to_send()

    def next_timeout(self) -> float | None:
        return min((t for t in (self.silent_at, self.link.next_timeout()) if t is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        self.now = now
        if self.silent_at is not None and now >= self.silent_at:
            self.reader.drop_partial()
            self.receive_data(b"", now)
        self.link.handle_timeout(now)
        self._take_events()

    def station(self) -> Station:
        return Station(self.receive_data, self.data_to_send, self.next_timeout, self.handle_timeout)

    @property
    def lost(self) -> bool:
        return any(isinstance(event, Disconnected) for event in self.events)

    def _take_events(self) -> None:
        while (event := self.link.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, Received):
                self.received.append(event.info)
                self._reply_to(event.info)

    def _reply_to(self, message: bytes) -> None:
        if self.answer is None or self.link.state not in (State.REPLYING, State.CONNECTED):
            return
        reply = self.answer(message)
        if reply is not None:
            self.link.send(reply, self.now)
        elif self.link.state is State.REPLYING:
            self.link.acknowledge(self.now)


def responses(link: Link, now: float, *frames: Frame) -> list[Frame]:
    """What a link sends on some frames."""
    for frame in frames:
        link.receive_frame(frame, now)
    return [decode_frame(octets[1:-1]) for octets in link.data_to_send()]


def events(link: Link) -> list[Event]:
    """All events that wait."""
    taken: list[Event] = []
    while (event := link.next_event()) is not None:
        taken.append(event)
    return taken


def command(kind: Kind, info: bytes = b"", ns: int = 0, nr: int = 0, p: bool = True, **more: object) -> Frame:
    """A frame from the client to the server."""
    return Frame(kind, SERVER, CLIENT, info, ns, nr, p, **more)  # type: ignore[arg-type]


def response(kind: Kind, info: bytes = b"", ns: int = 0, nr: int = 0, p: bool = True, **more: object) -> Frame:
    """A frame from the server to the client."""
    return Frame(kind, CLIENT, SERVER, info, ns, nr, p, **more)  # type: ignore[arg-type]


def secondary(config: LinkConfig | None = None) -> Link:
    """A secondary in normal response mode, nothing pending."""
    link = Link(Role.SECONDARY, SERVER, CLIENT, config)
    assert [f.kind for f in responses(link, 0.0, command(Kind.SNRM))] == [Kind.UA]
    assert isinstance(events(link)[0], Connected)
    return link


def primary(config: LinkConfig | None = None) -> Link:
    """A connected primary, nothing pending."""
    link = Link(Role.PRIMARY, CLIENT, SERVER, config)
    link.connect(0.0)
    link.data_to_send()
    link.receive_frame(response(Kind.UA), 0.0)
    assert isinstance(events(link)[0], Connected)
    return link
