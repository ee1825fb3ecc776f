"""The blocking client: a thin driver of `dlms.connection` over one medium.

with connect("tcp://10.0.0.7:4059", client=16, server=1) as client:
    client.read(Register("1.1.1.8.0.255"))
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dlms.apdu.attribute import SelectiveAccess
from dlms.association import NOTHING, Negotiated
from dlms.codec import ABSENT, Record
from dlms.connection import Closed, Connection, Fault, Notification, Ticket
from dlms.endpoint import client_framing, dial, parse
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import AccessError, DlmsError, LinkError, LocalProtocolError, RemoteProtocolError
from dlms.framing import Framing
from dlms.framing.gateway import Gateway, GatewayClient
from dlms.ic import AssociationLn, AssociationSn, Data, ExtendedRegister, ProfileGeneric, Register
from dlms.interface import AttributeDeclaration, AttributeRef, Interface, MethodDeclaration, MethodRef
from dlms.limits import MAX_NOTIFICATIONS, RESPONSE_TIMEOUT_S, RETRIES
from dlms.media import Medium
from dlms.operations import Operation, access, profiles
from dlms.operations.associate import AssociationRequest
from dlms.operations.buffer import Selection, buffer
from dlms.operations.objects import MeterObject
from dlms.operations.profiles import Column, Entries, Moment, Wanted
from dlms.operations.referencing import Referencing, referencing
from dlms.operations.write import Assignment, Call
from dlms.profile import Profile
from dlms.quirks import Quirk
from dlms.reading import Reading
from dlms.trace import NO_TRACE, Trace
from obis import Obis

if TYPE_CHECKING:
    from dlms.ciphering import Security
    from dlms.security.hls import VendorFunction

T = TypeVar("T")

CLOSE_TIMEOUT_S = 2.0
INVOCATION_COUNTER = Data("0.0.43.1.0.255")
"""Where a meter shows, in its public association, the last invocation counter that it accepted.  Blue Book, OBIS codes."""


class Client:
    """One association with one meter.  Use `connect` to get one, and `with` to be sure that it is released.

    Every verb raises AccessError when the meter refuses, LinkError when the line fails or the meter is silent,
    OutcomeUnknown when that happens to a write or a call, RemoteProtocolError when the meter breaks the protocol, and
    LocalProtocolError for what may not be asked; DlmsError catches them all.
    """

    def __init__(self, connection: Connection, medium: Medium, *, deadline_s: float | None = None) -> None:
        self.connection = connection
        self.notifications: deque[Record] = deque(maxlen=MAX_NOTIFICATIONS)
        """What the meter sent by itself, oldest first."""
        self.lost_notifications = 0
        """Notifications that were dropped because nobody fetched those before them."""
        self.faults: deque[DlmsError] = deque(maxlen=MAX_NOTIFICATIONS)
        """What arrived and could not be used."""
        self.progress: Callable[[int], object] | None = None
        """Called with the number of octets whenever some arrive."""
        self.high_priority = True
        """Whether what is asked from now on has high priority with the meter, where it knows priorities."""
        self._medium = medium
        self._names: Referencing = self._referencing(connection.negotiated)
        self._deadline = None if deadline_s is None else time.monotonic() + deadline_s
        self._scaler_units: dict[tuple[int, Obis], tuple[int, int] | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # verbs

    def get(self, ref: AttributeRef[T], access: SelectiveAccess | None = None) -> T:
        """Read one attribute."""
        return self._run(self._names.get(ref, access))  # type: ignore[no-any-return]

    def get_many(self, refs: Sequence[AttributeRef[Any]]) -> list[Any]:
        """Read several attributes: an AccessError stands in the place of each that the meter refuses.

        They are asked for in lists where that was negotiated; with `parallel`, several requests are under way at once.
        """
        if self.connection.parallel == 1:
            return self._run(self._names.get_many(refs))
        tickets = [self._start(self._names.get_many(part)) for part in self._names.parts(refs)]
        try:
            return [value for ticket in tickets for value in self._wait(ticket)]
        finally:
            for ticket in tickets:  # what one failure leaves
                self.connection.abandon(ticket, time.monotonic())

    def read(self, register: Register | ExtendedRegister, *, raw: int | None = None) -> Reading:
        """Read a register as value, scaler and unit; scaler and unit are read once and kept.

        `raw` is the value where it has been read already.
        """
        raw = self.get(register.value) if raw is None else raw
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise LocalProtocolError(f"{register.value} holds {raw!r}, which is no number: use get")
        return Reading.of(raw, self._scaler_unit(register))

    def set(
        self,
        ref: AttributeRef[Any],
        value: Any,
        access: SelectiveAccess | None = None,
        *,
        confirmed: bool = True,
        broadcast: bool = False,
    ) -> None:
        """Write one attribute; a value of a wrong type is refused before anything is sent.

        Without confirmation it is sent, and nobody tells what came of it.  A `broadcast`, which has none, goes under the
        broadcast key, that all meters know.
        """
        self._hide(ref.attribute, value)
        operation = self._names.set_value(ref, value, access, confirmed=confirmed and not broadcast)
        self._run(operation, broadcast=broadcast)

    def set_many(self, assignments: Sequence[Assignment]) -> list[AccessError | None]:
        """Write several attributes: None for each that was written, the AccessError of each that was refused."""
        for ref, value in assignments:
            self._hide(ref.attribute, value)
        return self._run(self._names.set_many(assignments))

    def call(
        self, ref: MethodRef[Any], parameter: Any = ABSENT, *, confirmed: bool = True, broadcast: bool = False
    ) -> Any:
        """Call one method; returns what it returns, None for nothing, and without confirmation, which tells nothing.

        A `broadcast`, which has none, goes under the broadcast key, that all meters know.
        """
        self._hide(ref.method, parameter)
        operation = self._names.call(ref, parameter, confirmed=confirmed and not broadcast)
        return self._run(operation, broadcast=broadcast)

    def call_many(self, calls: Sequence[Call]) -> list[Any]:
        """Call several methods: what each returned; an AccessError stands in the place of each that the meter refuses."""
        for ref, parameter in calls:
            self._hide(ref.method, parameter)
        return self._run(self._names.call_many(calls))

    def access(self, elements: Sequence[access.Element], *, break_on_error: bool = False) -> list[Any]:
        """Reads, writes and calls in one exchange, where the meter granted ACCESS: see `dlms.operations.access`."""
        return self._run(access.access(elements, break_on_error=break_on_error))

    def profile(
        self,
        profile: ProfileGeneric | str,
        start: Moment | None = None,
        end: Moment | None = None,
        *,
        entries: Entries | None = None,
        columns: Sequence[Wanted] | None = None,
    ) -> Profile:
        """Read the buffer of a profile: between two times (both included), by entries, or whole; all columns or some.

        Columns are named by attribute or by the code of their object.  A meter that does not select is read whole, and what
        is not wanted is left out here: its entries are numbered from 1, the oldest first, but by the quirk of those that
        count from the newest.
        """
        of = profile if isinstance(profile, ProfileGeneric) else ProfileGeneric(profile)
        if entries is not None and (start is not None or end is not None):
            raise LocalProtocolError("a profile is read by time or by entries, not both")
        found = self._run(profiles.columns(of, self._names.get))
        places = profiles.places(found, columns, entries, of)
        payload = self._run(
            buffer(
                of,
                found,
                Selection(start, end, entries, places),
                self._names,
                selects=profiles.selects(self.connection.negotiated),
                from_newest=Quirk.ENTRIES_FROM_NEWEST in self.connection.quirks,
            )
        )
        picked = found if places is None else [found[place] for place in places]
        return Profile(picked, payload, self._column_units(picked))

    def objects(self, association: AssociationLn | AssociationSn | None = None) -> list[MeterObject]:
        """The object list of an association, of the current one when None: class, version, name, rights."""
        return self._run(self._names.object_list(association))

    def snapshot(self, of: Interface | MeterObject) -> dict[str, Any]:
        """All attributes of an object by name; an AccessError stands in the place of each that the meter refuses.

        The buffer of a profile is left out: `profile` reads it.
        """
        if isinstance(of, MeterObject):
            refs = of.readable()
        else:
            refs = [of.attribute_ref(index) for index in sorted(of.attributes)]
        if refs and refs[0].class_id == ProfileGeneric.class_id:
            refs = [ref for ref in refs if ref.index != ProfileGeneric.buffer.index]
        names = [ref.attribute.name if ref.attribute else str(ref.index) for ref in refs]
        return dict(zip(names, self.get_many(refs), strict=True))

    def wait_for_notification(self, timeout_s: float) -> Record | None:
        """The oldest notification, waiting for one at most `timeout_s`; None when none came.

        Raises LinkError when the line is lost meanwhile.
        """
        until = time.monotonic() + timeout_s
        while not self.notifications and time.monotonic() < until:
            if self.connection.closed is not None:
                raise LinkError(self.connection.closed)
            self._pump(until)
        return self.notifications.popleft() if self.notifications else None

    def close(self) -> None:
        """Release the association, bring the link down, hang up.  More than once does no harm."""
        budget = CLOSE_TIMEOUT_S if self._deadline is None else min(CLOSE_TIMEOUT_S, self._left())
        try:
            if self.connection.closed is None and budget > 0:
                until = time.monotonic() + budget
                with contextlib.suppress(DlmsError):  # a meter that does not release is left without
                    self._wait(self.connection.release(time.monotonic(), budget), until)
                self._disconnect(until + budget)
        finally:
            self._medium.close()

    # the driver

    def open(self) -> Self:
        """Bring the link up and the association; hang up again when either fails."""
        try:
            self._names = self._referencing(self._wait(self.connection.open(time.monotonic())))
        except BaseException:
            self.close()
            raise
        return self

    def _referencing(self, negotiated: Negotiated) -> Referencing:
        return referencing(negotiated, datagrams=not self.connection.framing.reliable)

    def _run(self, operation: Operation[T], *, broadcast: bool = False) -> T:
        return self._wait(self._start(operation, broadcast=broadcast))

    def _start(self, operation: Operation[T], *, broadcast: bool = False) -> Ticket[T]:
        return self.connection.start(operation, time.monotonic(), high_priority=self.high_priority, broadcast=broadcast)

    def _hide(self, declared: AttributeDeclaration | MethodDeclaration | None, value: Any) -> None:
        """Keep a secret that is sent out of the trace."""
        if declared is not None and declared.secret and isinstance(value, bytes):
            self.connection.trace.hide(value)

    def _wait(self, ticket: Ticket[T], until: float | None = None) -> T:
        try:
            while not ticket.done:
                if until is not None and time.monotonic() >= until:
                    raise LinkError("the line is not free in time")
                self._pump(until)
        except BaseException:
            self.connection.abandon(ticket, time.monotonic())
            raise
        finally:
            self._drain()
        return ticket.result()

    def _disconnect(self, until: float) -> None:
        if not self.connection.request.released:  # no exchange has made sure that what was sent last has left
            while not self.connection.framing.idle and time.monotonic() < until:
                self._pump(until)
        self.connection.disconnect(time.monotonic())
        while self.connection.closed is None and time.monotonic() < until:
            self._pump(until)
        self._drain()

    def _pump(self, until: float | None = None) -> None:
        """Send what waits, wait for what comes or for the next timer, once."""
        if self._deadline is not None and self._left() <= 0 and until is None:
            return self.connection.line_lost("the deadline of the whole command has passed", time.monotonic())
        connection = self.connection
        try:
            for piece in connection.data_to_send():
                self._medium.send(piece)
            data = self._medium.receive(self._patience(until))
        except LinkError as lost:
            return connection.line_lost(str(lost), time.monotonic())
        if data:
            if self.progress is not None:
                self.progress(len(data))
            connection.receive_data(data, time.monotonic())
        connection.handle_timeout(time.monotonic())
        self._drain()

    def _patience(self, until: float | None) -> float | None:
        moments = [m for m in (self.connection.next_timeout(), self._deadline, until) if m is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _left(self) -> float:
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

    def _drain(self) -> None:
        try:
            for piece in self.connection.data_to_send():
                self._medium.send(piece)
        except LinkError as lost:
            self.connection.line_lost(str(lost), time.monotonic())
        while (event := self.connection.next_event()) is not None:
            match event:
                case Notification(apdu):
                    self.lost_notifications += len(self.notifications) == self.notifications.maxlen
                    self.notifications.append(apdu)
                case Fault(error):
                    self.faults.append(error)
                case Closed():
                    break

    # scalers and units

    def _scaler_unit(self, register: Register | ExtendedRegister) -> tuple[int, int] | None:
        key = register.class_id, register.instance
        if key not in self._scaler_units:
            self._scaler_units[key] = _checked_scaler_unit(register, self.get(register.scaler_unit))
        return self._scaler_units[key]

    def _column_units(self, columns: list[Column]) -> dict[int, tuple[int, int]]:
        """Scaler and unit of the columns that hold the value of a register, where the meter tells them."""
        registers: dict[int, Register | ExtendedRegister] = {
            place: (Register if column.class_id == Register.class_id else ExtendedRegister)(column.instance)
            for place, column in enumerate(columns)
            if column.class_id in (Register.class_id, ExtendedRegister.class_id) and column.attribute_index == 2
        }
        found = {}
        for place, register in registers.items():
            with contextlib.suppress(AccessError):
                unit = self._scaler_unit(register)
                if unit is not None:
                    found[place] = unit
        return found


def _checked_scaler_unit(register: Register | ExtendedRegister, held: Any) -> tuple[int, int] | None:
    """Scaler and unit as two numbers.  Raises RemoteProtocolError when they are none."""
    if held is None:
        return None
    if isinstance(held, tuple) and len(held) == 2 and all(isinstance(number, int) for number in held):
        scaler, unit = map(int, held)
        if -128 <= scaler <= 127 and 0 <= unit <= 255:
            return scaler, unit
    raise RemoteProtocolError(f"{register.scaler_unit}: {held!r:.80} is no scaler and unit")


def connect(
    url: str,
    *,
    client: int = 16,
    server: int = 1,
    physical: int | None = None,
    auth: Mechanism | None = None,
    password: str | bytes | None = None,
    timeout_s: float = RESPONSE_TIMEOUT_S,
    deadline_s: float | None = None,
    retries: int = RETRIES,
    quirks: frozenset[Quirk] = frozenset(),
    trace: Trace = NO_TRACE,
    context: ApplicationContext = ApplicationContext.LN,
    conformance: Conformance = NOTHING,
    max_receive: int = 0xFFFF,
    user: int | None = None,
    confirmed: bool = True,
    pre_established: Negotiated | None = None,
    parallel: int = 1,
    gateway: Gateway | None = None,
    security: Security | None = None,
    system_title: bytes | None = None,
    vendor: VendorFunction | None = None,
    max_counter_jump: int = 0,
) -> Client:
    """Dial an endpoint and open an association.  `auth` defaults to HLS GMAC with `security`, else to LLS with a password,
    to none without.  With `security` that protects anything the context is a ciphered one.

    `timeout_s` is the budget of one exchange, its `retries` repetitions included; `deadline_s` that of everything.
    `context` says how objects are named, by logical or short names; the verbs are the same with both.  `conformance`
    (without it, all that this client does) and `max_receive` (octets of one APDU) are what is proposed to the meter.
    `user` tells the meter who uses the client.  In an association that is not `confirmed` nothing is answered, and only
    `set` and `call` without confirmation are possible; one that is `pre_established` is not asked for.  `parallel` is how
    many reads of `get_many` may be under way at once, over the wrapper and with logical names.  `gateway` names the meter
    behind the one that the endpoint leads to, if that is a gateway.  `system_title` is ours where HLS SHA-256 is used
    without `security`, `vendor` the function behind mechanism 2 where it is not the common AES scheme.  With
    `max_counter_jump` the meter is asked first, in its public association, for the invocation counter that it expects, and
    ours goes forward to that by no more than so many.
    Raises LinkError, AssociationRefused, RemoteProtocolError or LocalProtocolError.
    """
    secret = _secret(password)
    if auth is not None:
        mechanism = auth
    else:
        mechanism = Mechanism.HLS_GMAC if security is not None else Mechanism.LLS if secret else Mechanism.NONE
    if security is not None and security.protection:
        context = ApplicationContext.SN_CIPHERED if context.short_names else ApplicationContext.LN_CIPHERED
    request = AssociationRequest(
        mechanism,
        secret,
        context,
        conformance,
        max_receive,
        user,
        confirmed,
        pre_established,
        security,
        system_title,
        vendor,
    )
    framing = _framing(url, client, server, physical, retries, gateway)
    if max_counter_jump and security is not None:
        with connect(
            url, server=server, physical=physical, timeout_s=timeout_s, deadline_s=deadline_s, gateway=gateway
        ) as public:
            _go_forward(security, public, max_counter_jump)
    connection = Connection(
        framing,
        request,
        quirks=quirks,
        timeout_s=timeout_s,
        retries=retries,
        parallel=parallel,
        trace=trace.hiding(secret),
    )
    return Client(connection, dial(url), deadline_s=deadline_s).open()


def _go_forward(security: Security, public: Client, max_jump: int) -> None:
    """Take our invocation counter to what the meter expects.  Raises RemoteProtocolError, CounterError."""
    shown = public.get(INVOCATION_COUNTER.value)
    if not isinstance(shown, int) or isinstance(shown, bool):
        raise RemoteProtocolError(f"{INVOCATION_COUNTER.value}: {shown!r:.80} is no invocation counter")
    counter = security.counters.sending(security.provider.fingerprint(), security.system_title)
    counter.resynchronise(shown + 1, max_jump=max_jump)


def _secret(password: str | bytes | None) -> bytes:
    """The octets of a password.  Raises LocalProtocolError."""
    try:
        return password.encode("latin-1") if isinstance(password, str) else password or b""
    except UnicodeEncodeError:
        raise LocalProtocolError("the password has characters outside Latin-1: give its octets") from None


def _framing(
    url: str, client: int, server: int, physical: int | None, retries: int, gateway: Gateway | None
) -> Framing:
    """What carries the APDUs.  Raises LocalProtocolError."""
    over_hdlc = parse(url).framing == "hdlc"
    if physical is not None and not over_hdlc:
        raise LocalProtocolError(f"{url}: only HDLC has physical addresses")
    options = {"physical": physical, "retries": retries} if over_hdlc else {}
    framing = client_framing(url, client, server, **options)
    return framing if gateway is None else GatewayClient(framing, gateway)
