"""A connection on a bench: a framing that only keeps what goes through it, a clock that stands until it is moved."""

from __future__ import annotations

from collections import deque
from typing import Any

from dlms.acse import Aare, Diagnostic, context_oid
from dlms.apdu import InitiateResponse, decode_apdu
from dlms.codec import Record, encode
from dlms.connection import Connection, Event, Ticket
from dlms.enums import Conformance
from dlms.framing import Connected, Disconnected, FramingEvent, Received
from dlms.operations import Operation
from dlms.operations.associate import LN_CONFORMANCE, AssociationRequest
from dlms.quirks import Quirk
from dlms.trace import NO_TRACE, Trace

TIMEOUT_S = 5.0
SEGMENT = b"a segment"


class FakeFraming:
    """Every `receive_data` is one APDU, or the `SEGMENT` of one; what is sent stays in `sent`."""

    window = 63
    max_parallel = 8
    idle = True

    def __init__(self, max_apdu: int = 0xFFFF, reliable: bool = True) -> None:
        self.max_apdu, self.reliable = max_apdu, reliable
        self.sent: list[bytes] = []
        self.expects_reply: list[bool] = []
        self.events: deque[FramingEvent] = deque()
        self.connects = self.disconnects = self.segments = 0
        self.given_s = 0.0
        self.up_at_once = True

    def connect(self, now: float) -> None:
        self.connects += 1
        if self.up_at_once:
            self.events.append(Connected())

    def send(self, apdu: bytes, now: float, *, reply: bool = True) -> None:
        self.sent.append(apdu)
        self.expects_reply.append(reply)

    def disconnect(self, now: float) -> None:
        self.disconnects += 1
        self.events.append(Disconnected("requested", by_request=True))

    def receive_data(self, data: bytes, now: float) -> None:
        if data == SEGMENT:
            self.segments += 1
        else:
            self.events.append(Received(data))

    def handle_timeout(self, now: float) -> None:
        """Nothing is ever due here."""

    def next_event(self) -> FramingEvent | None:
        return self.events.popleft() if self.events else None

    def data_to_send(self) -> list[bytes]:
        return []

    def next_timeout(self) -> float | None:
        return None

    def give_exchange(self, timeout_s: float) -> None:
        self.given_s = timeout_s


def accepting(conformance: Conformance = LN_CONFORMANCE, size: int = 0xFFFF) -> Aare:
    """An AARE that accepts."""
    return Aare(
        application_context_name=context_oid(1),
        result=0,
        diagnostic=Diagnostic(1, 0),
        user_information=encode(InitiateResponse(None, 6, conformance, size, 7)),
    )


class Clocked:
    """A connection on a virtual clock."""

    connection: Connection
    now: float

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.connection.handle_timeout(self.now)

    def events(self) -> list[Event]:
        """All events that wait."""
        found = []
        while (event := self.connection.next_event()) is not None:
            found.append(event)
        return found


class Bench(Clocked):
    """A connection over a FakeFraming.  `answer` gives an APDU the invoke-id of the request that went out last."""

    def __init__(
        self,
        request: AssociationRequest | None = None,
        *,
        quirks: frozenset[Quirk] = frozenset(),
        max_apdu: int = 0xFFFF,
        reliable: bool = True,
        trace: Trace = NO_TRACE,
        parallel: int = 1,
    ) -> None:
        self.framing = FakeFraming(max_apdu, reliable)
        self.connection = Connection(
            self.framing,
            request or AssociationRequest(),
            quirks=quirks,
            timeout_s=TIMEOUT_S,
            trace=trace,
            parallel=parallel,
        )
        self.now = 100.0

    def open(self, conformance: Conformance = LN_CONFORMANCE, size: int = 0xFFFF) -> Bench:
        """Up to an open association."""
        ticket = self.connection.open(self.now)
        self.receive(accepting(conformance, size))
        ticket.result()
        self.events()
        self.framing.sent.clear()
        return self

    def start(self, operation: Operation[Any], timeout_s: float | None = None) -> Ticket[Any]:
        return self.connection.start(operation, self.now, timeout_s)

    def receive(self, apdu: Record | bytes) -> None:
        self.connection.receive_data(apdu if isinstance(apdu, bytes) else encode(apdu), self.now)

    def answer(self, apdu: Record) -> None:
        """Receive `apdu` with the invoke octet of the last request."""
        data = encode(apdu)
        self.receive(data[:2] + self.framing.sent[-1][2:3] + data[3:])

    @property
    def asked(self) -> Record:
        """The last request."""
        return decode_apdu(self.framing.sent[-1])

    @property
    def invoke(self) -> int:
        """The invoke octet of the last request."""
        return self.framing.sent[-1][2]
