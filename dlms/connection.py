"""The heart of the client: operations, invoke-ids, timeouts and notifications over one association.  Sans-IO.

    start(operation, now) -> Ticket      abandon(ticket, now)      receive_data(data, now)      handle_timeout(now)
    data_to_send() -> list[bytes]        next_event()              next_timeout()

After any call drain `next_event`, then `data_to_send` (one item is one datagram), then read `next_timeout` again.  Early or
spurious timer calls have no effect.  Nothing received raises; what it breaks becomes a failed ticket or an event.

An exchange has its budget of time from the request on, and again from each segment of a long answer on.  Where the layer
below may lose APDUs, what only reads is asked again within that budget, each try with its share and an invoke-id of its
own, as long as there are any; SET, ACTION and the requests that go on with a long answer never are, nor what has no
invoke-id, but for the AARQ.

One confirmed operation runs at a time, high priority first, then first come first served.  A reply is matched by its
invoke-id; a late or foreign one is dropped and counted.  A timeout is thrown *into* the operation.  An abandoned operation
is closed, but its exchange keeps the line until its reply or its deadline, so that the next operation never reads its
answer.  Short names know no invoke-ids: a request without an answer, or whose answer cannot be believed, ends the connection
there, for its own could come yet and pass for the next.  So could a copy of a reply where the layer below may double it:
unless protection tells them apart, the next request waits `COPY_S` there for copies to come.

With `parallel`, where the layer below lets both ends speak at any time, that many reads may be under way at once; what
changes something, or goes on with a transfer in blocks, still has the line to itself.  An answer that begins a transfer may
be spoilt by the requests beside it: that read is asked again, alone.  Whose answer a refusal is that names no request, says
`dlms.outstanding`.

An envelope that cannot be opened fails the request that it answers.  One that may as well hold a notification is counted
and reported; the request waits on, and fails with a SecurityError when its time is up, or when too many have come.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from dlms.acse import Aare, Aarq
from dlms.apdu import GeneralBlockTransfer
from dlms.association import KINDS, Association, Kind, Negotiated, Role, State
from dlms.codec import Record, encode
from dlms.enums import Conformance
from dlms.errors import (
    DlmsError,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    ServiceRefused,
)
from dlms.events import Closed as Closed
from dlms.events import Event
from dlms.events import Fault as Fault
from dlms.events import Finished as Finished
from dlms.events import Notification as Notification
from dlms.exchange import REFUSALS, Exchange, goes_alone, loss, repeatable, unfinished
from dlms.exchange import Ticket as Ticket
from dlms.framing import Connected, Disconnected, Framing, Received
from dlms.general_block import BlockTransfer, unacknowledged
from dlms.invoke_ids import CONTINUATIONS, RESERVED, InvokeIds
from dlms.limits import COPY_S, MAX_APDU, MAX_UNOPENED, RESPONSE_TIMEOUT_S, RETRIES
from dlms.notifications import Taken, confirmation
from dlms.operations import Operation, Request
from dlms.operations.associate import AssociationRequest, associate, assumed, negotiate, release
from dlms.outstanding import Outstanding
from dlms.quirks import Quirk
from dlms.reception import Arrival, Bearing, Reception
from dlms.trace import NO_TRACE, Trace

if TYPE_CHECKING:
    from dlms.client_ciphering import ClientCiphering
    from dlms.security.channel import Channel

T = TypeVar("T")


class Connection:
    """Runs operations over one association.

    `framing` carries the APDUs; `request` says what association to ask for; `quirks` are those of the meter; `retries` is
    how often a read is asked again where the layer below may lose it; `parallel` is how many reads may wait for their
    answers at once.  Raises LocalProtocolError for more of them than the layer below carries.
    """

    def __init__(
        self,
        framing: Framing,
        request: AssociationRequest,
        *,
        quirks: frozenset[Quirk] = frozenset(),
        timeout_s: float = RESPONSE_TIMEOUT_S,
        retries: int = RETRIES,
        parallel: int = 1,
        trace: Trace = NO_TRACE,
    ) -> None:
        if not 1 <= parallel <= framing.max_parallel:
            raise LocalProtocolError(f"{parallel} requests at once: 1 to {framing.max_parallel} are possible here")
        self.framing, self.request, self.quirks, self.timeout_s = framing, request, quirks, timeout_s
        self._retries = 0 if framing.reliable else retries
        self.association = Association(Role.CLIENT)
        self.dropped = 0
        """Replies that nothing waited for: late, foreign, or to an abandoned request; and notifications that were refused."""
        self.repeated = 0
        """Confirmed notifications that came again, because the meter had not heard that they were taken."""
        self.closed: str | None = None
        """Why the line is down, None while it is not."""
        self.trace = trace
        self._waiting: deque[Ticket[Any]] = deque()
        self._held: deque[tuple[Ticket[Any], Request, bool]] = deque()
        """Requests that wait until they have the line to themselves, and whether they are asked again."""
        self._under_way = Outstanding()
        self._events: deque[Event] = deque()
        self._connecting = self._up = False
        self._quiet_until: float | None = None
        """Until when copies of the last answer may come that nothing would tell from the next."""
        self._parallel, self._ids = parallel, InvokeIds(doubled=not framing.reliable)
        self._blocks = BlockTransfer(framing.window, retries=retries)
        self._taken = Taken()
        self._ciphering = _ciphering(request)
        self._reception = Reception(
            self.association, self._blocks, self._ciphering, self._under_way.replies, reliable=framing.reliable
        )

    # what the user asks

    @property
    def negotiated(self) -> Negotiated:
        """What the two ends agreed on; empty before the association is open."""
        return self.association.negotiated

    @property
    def parallel(self) -> int:
        """How many reads may be under way at once; 1 where answers or their blocks do not name their request."""
        agreed = self.negotiated
        nameless = agreed.context.short_names or Conformance.GENERAL_BLOCK_TRANSFER in agreed.conformance
        return 1 if nameless else self._parallel

    @property
    def channel(self) -> Channel | None:
        """The keys and the two system titles of a ciphered context, None in a plain one."""
        return None if self._ciphering is None else self._ciphering.channel

    def open(self, now: float, timeout_s: float | None = None) -> Ticket[Negotiated]:
        """Bring up the layer below and open the association."""
        self.framing.give_exchange(timeout_s or self.timeout_s)
        ticket = self.start(self._opening(), now, timeout_s)
        if self.closed is None and not self._connecting:
            self._connecting = True
            self.framing.connect(now)
            self._drain_framing(now)
        return ticket

    def _opening(self) -> Operation[Negotiated]:
        """Open the association; one whose server did not prove itself is none."""
        try:
            negotiated = yield from associate(self.request)
        except DlmsError:
            if self.association.state is State.AUTHENTICATING:
                self.association.lower_layer_lost()
            raise
        if self.association.state is State.AUTHENTICATING:
            self.association.authenticated()
        return negotiated

    def release(self, now: float, timeout_s: float | None = None) -> Ticket[None]:
        """Close the association (by RLRQ unless the meter's quirk is not to), without touching the layer below."""
        wanted = self.association.state is State.OPEN and self.request.released and Quirk.NO_RELEASE not in self.quirks
        return self.start(release() if wanted else _nothing(), now, timeout_s)

    def disconnect(self, now: float) -> None:
        """Bring down the layer below; `Closed` follows."""
        if self.closed is None and not self._connecting:
            self._close("requested", now)
        elif self.closed is None:
            self.framing.disconnect(now)
            self._drain_framing(now)

    def start(
        self,
        operation: Operation[T],
        now: float,
        timeout_s: float | None = None,
        *,
        high_priority: bool = True,
        broadcast: bool = False,
    ) -> Ticket[T]:
        """Queue an operation.  `timeout_s` is the budget of each of its exchanges, link repetitions included.

        One of high priority begins before those that are not, and says so to the meter where that was negotiated.
        What a `broadcast` sends without waiting for an answer goes under the broadcast key.
        """
        ticket = Ticket(operation, timeout_s or self.timeout_s, high_priority=high_priority, broadcast=broadcast)
        if self.closed is not None:
            self._finish(ticket, None, LinkError(self.closed))
        else:
            before = sum(other.high_priority for other in self._waiting) if high_priority else len(self._waiting)
            self._waiting.insert(before, ticket)
            self._proceed(now)
        return ticket

    def abandon(self, ticket: Ticket[Any], now: float) -> None:
        """Give up on an operation.  Its exchange, if one is under way, keeps the line until its reply or deadline."""
        if ticket.done:
            return
        ticket.abandoned = True
        ticket.operation.close()
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        self._held = deque(one for one in self._held if one[0] is not ticket)
        self._finish(ticket, None, OutcomeUnknown("the operation was abandoned"))
        self._proceed(now)

    # what the world does

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the medium; one datagram at a time where there are datagrams."""
        self.trace.received(data)
        segments = self.framing.segments
        self.framing.receive_data(data, now)
        if self.framing.segments != segments:
            for exchange in self._under_way:
                exchange.deadline = now + exchange.ticket.timeout_s
        self._drain_framing(now)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`; no effect before `next_timeout`."""
        self.framing.handle_timeout(now)
        self._drain_framing(now)
        if self._quiet_until is not None and now >= self._quiet_until:
            self._quiet_until = None
            self._proceed(now)
        for piece in self._blocks.handle_timeout(now):
            self.framing.send(piece, now)
        for exchange in self._under_way:
            if exchange not in self._under_way:
                continue  # the one before has ended it
            if now >= exchange.deadline:
                self._silent(exchange, now)
            elif exchange.repeat_at and now >= exchange.repeat_at[-1]:
                self._repeat(exchange, now)

    def _silent(self, exchange: Exchange, now: float) -> None:
        if self._under_way.refusals:  # this may be one that was refused
            for one in self._under_way.taken_back(all_of_them=True):
                self._hold_again(one)
            return self._proceed(now)
        waited = f"no answer to {exchange.request.apdu.wire_name()} within {exchange.ticket.timeout_s:g} s"
        if self._blocks.held:
            waited += ": the peer takes no more blocks"
        if exchange.nameless:
            return self._close(waited, now, silence=True)
        self._unanswered(exchange, late=len(exchange.invoke_ids))
        self._throw(exchange, loss(exchange, waited, silence=True), now)

    def line_lost(self, reason: str, now: float) -> None:
        """The medium is gone.  What runs fails: with OutcomeUnknown where the request may have been carried out."""
        self._close(reason, now)

    # what the driver drains

    def next_event(self) -> Event | None:
        """The oldest event that was not fetched yet."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """Bytes for the medium, one item a datagram."""
        pieces = self.framing.data_to_send()
        for piece in pieces:
            self.trace.sent(piece)
        return pieces

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, None when nothing is waited for."""
        due = [moment for exchange in self._under_way for moment in (exchange.deadline, *exchange.repeat_at[-1:])]
        others = self._blocks.next_timeout(), self.framing.next_timeout(), self._quiet_until
        return min([*due, *(moment for moment in others if moment is not None)], default=None)

    # running operations

    def _proceed(self, now: float) -> None:
        """Ask again what was taken back because a refusal named nobody; begin what is next when the line is free for it."""
        for exchange in self._under_way.taken_back():
            self._hold_again(exchange)
        while self._up and self._quiet_until is None and not self._under_way.alone and not self._under_way.refusals:
            if self._held:
                if self._under_way:
                    return
                ticket, request, again = self._held.popleft()
                try:
                    self._transmit(ticket, request, True, now, again=again)
                except DlmsError as error:
                    self._resume(ticket, error, now)
            elif self._waiting and len(self._under_way) < self.parallel:
                self._resume(self._waiting.popleft(), None, now)
            else:
                return

    def _resume(self, ticket: Ticket[Any], reply: Record | DlmsError | None, now: float) -> None:
        """Hand a reply (or an error) to an operation and send what it asks for next."""
        while True:
            try:
                if isinstance(reply, DlmsError):
                    request = ticket.operation.throw(reply)
                else:
                    request = ticket.operation.send(reply)  # type: ignore[arg-type]
            except StopIteration as end:
                return self._finish(ticket, end.value)
            except DlmsError as error:
                return self._finish(ticket, None, error)
            try:
                if request.replies:
                    return self._send(ticket, request, now)
                self._send_unconfirmed(ticket, request.apdu, now)
                reply = None
            except DlmsError as error:
                reply = error

    def _send_unconfirmed(self, ticket: Ticket[Any], apdu: Record, now: float) -> None:
        if self.closed is not None:
            raise LinkError(self.closed)
        data, _ = self._encode(apdu, ticket, confirmed=False)
        limit = self._limit(data, apdu)
        pieces = [data] if limit is None else unacknowledged(data, limit)
        self.association.send(apdu)
        self.trace.apdu_sent(apdu)
        if isinstance(apdu, Aarq) and (negotiated := assumed(self.request)) is not None:
            self.association.opened(negotiated)
        for piece in pieces:
            self.framing.send(piece, now, reply=False)

    def _send(self, ticket: Ticket[Any], request: Request, now: float) -> None:
        """Send a request now, or keep it until it can have the line to itself."""
        if self.closed is not None:
            raise LinkError(self.closed)
        alone = self.parallel == 1 or goes_alone(request)
        goes_on = isinstance(request.apdu, CONTINUATIONS)  # what comes between would end the transfer
        if not goes_on and (self._held or (alone and self._under_way) or self._quiet_until is not None):
            self._held.append((ticket, request, False))
        else:
            self._transmit(ticket, request, alone, now)

    def _transmit(self, ticket: Ticket[Any], request: Request, alone: bool, now: float, *, again: bool = False) -> None:
        if not self.request.confirmed:
            raise LocalProtocolError(f"the association is unconfirmed: nobody answers {request.apdu.wire_name()}")
        data, invoke_id = self._encode(request.apdu, ticket)
        share_s = ticket.timeout_s / (self._retries + 1)
        pieces = self._pieces(data, request.apdu, share_s, now)
        self.association.send(request.apdu)
        self.trace.apdu_sent(request.apdu)
        self.framing.give_exchange(ticket.timeout_s)
        exchange = Exchange(ticket, request, invoke_id, now + ticket.timeout_s, alone, again=again)
        self._under_way.add(exchange)
        if len(pieces) == 1 and repeatable(request, invoke_id):
            exchange.repeat_at = [now + share_s * tries for tries in range(self._retries, 0, -1)]
        for piece in pieces:
            self.framing.send(piece, now)
        self._drain_framing(now)

    def _repeat(self, exchange: Exchange, now: float) -> None:
        """Ask again, encoded anew; an answer to an earlier try still counts."""
        while exchange.repeat_at and now >= exchange.repeat_at[-1]:
            exchange.repeat_at.pop()
        if exchange.ticket.done or sum(len(one.earlier) for one in self._under_way) >= RESERVED:
            return
        data, invoke_id = self._encode(exchange.request.apdu, exchange.ticket)
        exchange.earlier, exchange.invoke_id = (*exchange.earlier, exchange.invoke_id), invoke_id
        self.trace.apdu_sent(exchange.request.apdu)
        try:
            self.framing.send(data, now)
        except DlmsError as error:
            return self._fault(error, exchange, now)
        self._drain_framing(now)

    def _pieces(self, data: bytes, apdu: Record, wait_s: float, now: float) -> list[bytes]:
        """The APDU as it is, or in blocks when the peer does not take it whole."""
        self._blocks.reset()  # half an answer to an earlier request must not be taken for one to this
        self._blocks.wait_s = None if self.framing.reliable else wait_s
        limit = self._limit(data, apdu)
        return [data] if limit is None else self._blocks.send(data, limit, now)

    def _limit(self, data: bytes, apdu: Record) -> int | None:
        """The octets of the blocks that an APDU needs, None where it goes whole.  Raises LocalProtocolError."""
        limit = min(self.negotiated.max_send or MAX_APDU, self.framing.max_apdu)
        if len(data) <= limit:
            return None
        if Conformance.GENERAL_BLOCK_TRANSFER not in self.negotiated.conformance:
            raise LocalProtocolError(f"{apdu.wire_name()} of {len(data)} octets; the peer receives {limit}")
        return limit

    def _closed(self, data: bytes, *, broadcast: bool = False) -> bytes:
        """An encoded APDU in its envelope, where there is one.  Raises LocalProtocolError for a broadcast without keys."""
        if self._ciphering is not None:
            authenticating = self.association.state is State.AUTHENTICATING
            return self._ciphering.close(data, authenticating=authenticating, broadcast=broadcast)
        if broadcast:
            raise LocalProtocolError("a broadcast goes under the broadcast key: that takes a ciphered context")
        return data

    def _encode(self, apdu: Record, ticket: Ticket[Any], *, confirmed: bool = True) -> tuple[bytes, int | None]:
        """The bytes of an APDU, protected, with its invoke-id in place, and that id (None where there is none)."""
        if self._ciphering is not None:
            apdu = self._ciphering.prepared(apdu)
        unmarked = Quirk.NO_SERVICE_CLASS in self.quirks and apdu.wire_name().startswith("get-")
        agreed = Conformance.PRIORITY_MANAGEMENT_SUPPORTED in self.negotiated.conformance
        high = ticket.high_priority and (unmarked or agreed)  # that quirk's meter is asked like its maker's clients do
        busy = [number for exchange in self._under_way for number in exchange.invoke_ids]
        data, ticket.invoke_id = self._ids.put(
            apdu, encode(apdu), ticket.invoke_id, busy, confirmed=confirmed and not unmarked, high=high
        )
        return self._closed(data, broadcast=ticket.broadcast and not confirmed), ticket.invoke_id

    def _finish(self, ticket: Ticket[Any], value: Any, error: DlmsError | None = None) -> None:
        if not ticket.done:
            ticket.finish(value, error)
            self._events.append(Finished(ticket))

    def _throw(self, exchange: Exchange, error: DlmsError, now: float) -> None:
        if not exchange.ticket.done:
            self._resume(exchange.ticket, error, now)
        self._proceed(now)

    # receiving

    def _drain_framing(self, now: float) -> None:
        while (event := self.framing.next_event()) is not None:
            match event:
                case Received(apdu):
                    self._receive(apdu, now)
                case Connected():
                    self._up = True
                    if self.request.pre_established is not None:
                        self.association.opened(self.request.pre_established)
                    self._proceed(now)
                case Disconnected(reason):
                    self._close(reason, now)

    def _receive(self, data: bytes, now: float) -> None:
        arrival = self._reception.receive(data, now)
        if data[:1] == GeneralBlockTransfer.prefix:
            try:
                self._acknowledge(now)
            except DlmsError as error:
                return self._fault(error, self._under_way.awaiting(data), now)
        if isinstance(arrival, Arrival):
            self._arrived(*arrival, now)
        elif arrival is not None and arrival.bearing is Bearing.ANSWER:
            exchange = self._under_way.awaiting(arrival.data)
            self._fault(arrival.error, exchange, now)
            if exchange is None:
                self._doubt(arrival.error, now)
        elif arrival is not None:
            self._refuse(arrival.error)
            if arrival.bearing is Bearing.UNTOLD:
                self._doubt(arrival.error, now)

    def _acknowledge(self, now: float) -> None:
        """What general blocks are answered with; those of an answer give it its time again."""
        for exchange in self._under_way:
            if self._blocks.received > exchange.blocks:
                exchange.blocks = self._blocks.received
                exchange.deadline = now + exchange.ticket.timeout_s
                exchange.repeat_at.clear()
        pieces, self._reception.acknowledgements = self._reception.acknowledgements, []
        for piece in pieces:
            self.framing.send(piece, now)

    def _arrived(self, apdu: Record, data: bytes, enveloped: bool, now: float) -> None:
        kind = KINDS.get(type(apdu))
        if kind is Kind.NOTIFICATION:
            return self._notified(apdu, data, now)
        if isinstance(apdu, REFUSALS) and self._under_way:
            exchange = self._under_way.refused(ServiceRefused(str(apdu)))
            if exchange is None:
                return self._proceed(now)
        else:
            exchange = self._under_way.answered(data, apdu, reliable=self.framing.reliable)
        if exchange is None:
            self.dropped += 1
            self._under_way.dropped()
            return
        try:
            if isinstance(apdu, Aare):
                self.association.negotiated = negotiate(self.request, apdu)
            self.association.receive(apdu)
        except DlmsError as error:
            return self._fault(error, self._under_way.awaiting(data), now)
        self.trace.apdu_received(apdu)
        unproven = self._ciphering is not None and self.association.state is State.OPEN and not enveloped
        self._answered(exchange, apdu, unproven, now)

    def _refuse(self, error: DlmsError) -> None:
        """A notification that cannot be used is reported, whatever else waits."""
        self.dropped += 1
        self._events.append(Fault(error))

    def _answered(self, exchange: Exchange, apdu: Record, unproven: bool, now: float) -> None:
        self._under_way.remove(exchange, late=len(exchange.earlier))
        self._ids.reserve(exchange.earlier)
        if exchange.invoke_id is None and not self.framing.reliable and self._ciphering is None:
            self._quiet_until = (
                None if isinstance(apdu, Aare) else now + COPY_S
            )  # no copy of that passes for another answer
        ticket = exchange.ticket
        if ticket.done:
            self.dropped += 1
        elif self._under_way and unfinished(apdu):
            self._hold_again(exchange)
        else:
            reply = exchange.reply(apdu, reliable=self.framing.reliable)
            if isinstance(reply, ServiceRefused) and unproven:
                unsure = f"nothing proves that this refusal is the meter's: {reply}"
                if exchange.nameless:
                    self._close(unsure, now)
                if not exchange.request.read_only:
                    reply = _chained(OutcomeUnknown(unsure), reply)
            self._resume(ticket, reply, now)
        self._proceed(now)

    def _hold_again(self, exchange: Exchange) -> None:
        """Its answer named nobody, or was spoilt: it is asked again, alone."""
        if not exchange.ticket.done:
            self._held.append((exchange.ticket, exchange.request, True))

    def _doubt(self, error: DlmsError, now: float) -> None:
        """What came may have been the answer to any request that waits."""
        for exchange in self._under_way:
            exchange.unopened += 1
            exchange.doubt = exchange.doubt or error
            if exchange.unopened > MAX_UNOPENED and exchange in self._under_way:
                self._fault(error, exchange, now)

    def _notified(self, apdu: Record, data: bytes, now: float) -> None:
        try:
            self.association.receive(apdu)
            self.trace.apdu_received(apdu)
            confirm = confirmation(apdu)
            if confirm is None or self._taken.is_new(confirm, data):
                self._events.append(Notification(apdu))
            else:
                self.repeated += 1
            if confirm is not None and self._up:
                self.framing.send(self._closed(encode(confirm)), now, reply=False)
        except DlmsError as error:
            self._refuse(error)

    def _fault(self, error: DlmsError, exchange: Exchange | None, now: float) -> None:
        """Fail the operation that waits, or report what nothing waited for."""
        if exchange is not None:
            self._unanswered(exchange, late=len(exchange.earlier))
        if exchange is None or exchange.ticket.done:
            self._events.append(Fault(error))
        if exchange is not None and exchange.nameless:
            self._close(f"the answer could not be understood: {error}", now)
        if exchange is None or exchange.ticket.done:
            return self._proceed(now)
        if not exchange.request.read_only:
            error = _chained(OutcomeUnknown(f"the answer could not be understood: {error}"), error)
        self._throw(exchange, error, now)

    def _unanswered(self, exchange: Exchange, *, late: int = 0) -> None:
        """Its answer may still come.  An association that was about to open or to close, and lacks it, does not exist."""
        self._blocks.reset()
        self._under_way.remove(exchange, late=late)
        self._ids.reserve(exchange.invoke_ids)
        if self.association.state in (State.OPENING, State.RELEASING):
            self.association.lower_layer_lost()

    def _close(self, reason: str, now: float, *, silence: bool = False) -> None:
        if self.closed is not None:
            return
        self.closed, self._up, self._quiet_until = reason, False, None
        self.association.lower_layer_lost()
        self._blocks.reset()
        self._reception.reset()
        for exchange in self._under_way.clear():
            if not exchange.ticket.done:
                self._throw(exchange, loss(exchange, reason, silence=silence), now)
        while self._held:
            self._resume(self._held.popleft()[0], LinkError(reason), now)
        while self._waiting:
            ticket = self._waiting.popleft()
            ticket.operation.close()
            self._finish(ticket, None, LinkError(reason))
        self._events.append(Closed(reason))


def _ciphering(request: AssociationRequest) -> ClientCiphering | None:
    """The envelopes of a ciphered context; a plain one loads no cryptography."""
    if request.security is None or not request.context.ciphered:
        return None
    from dlms.client_ciphering import ClientCiphering

    return ClientCiphering(request.security)


def _nothing() -> Operation[None]:
    """An operation that has nothing to do."""
    yield from ()


def _chained(error: DlmsError, cause: DlmsError) -> DlmsError:
    error.__cause__ = cause
    return error
