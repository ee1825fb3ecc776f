"""Scripts of operations between our client and our server on a virtual clock, over lines that do what lines do.

Every SET and ACTION has a number of its own, and the device counts how often each was carried out.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import event, settings

from dlms.apdu import decode_apdu
from dlms.association import State
from dlms.codec import encode
from dlms.connection import Connection, Ticket
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import DlmsError, LocalProtocolError, OutcomeUnknown
from dlms.framing import Framing, ServerFraming
from dlms.framing.wrapper import HEADER
from dlms.ic import AssociationLn, AssociationSnV1
from dlms.interface import AttributeRef, MethodRef
from dlms.operations import Operation
from dlms.operations.associate import AssociationRequest
from dlms.operations.referencing import Referencing, referencing
from dlms.server import Access, Device, LogicalDevice, MemoryStore, Rights, Served, ServerAssociation, Session
from dlms.values import DoubleLongUnsigned, Integer
from tests.dlms import secured
from tests.dlms.server import devices
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PASSWORDS, PROFILE, SERVER, WRITER
from tests.line import ARRIVES, Fate, Line, Station

SMALL_PDU, PROTECTED_PDU = 120, 160
"""Octets of an APDU in both directions, plain and with its envelope: long values go in blocks."""
TIMEOUT_S = 4.0
LONG_SIZE = 300
VERBS = ("get", "get-long", "get-profile", "get-list", "set", "set-long", "set-list", "call")
CHANGING = (b"\xc1", b"\xc3", b"\x06")
"""The tags of SET, ACTION and Write."""
RANDOM = random.Random(0)
"""Where challenges and keys come from in a play, so that it goes the same way each time."""

_TIMES = {"ci": 5, "dev": 2}.get(settings.get_current_profile_name())
EXAMPLES = settings().max_examples * (_TIMES or 1)
MANY = settings(max_examples=EXAMPLES, derandomize=_TIMES is not None)
FEWER = settings(MANY, max_examples=EXAMPLES // 3)
"""Of plays: the same each time, unless a profile is asked for by name that wants others."""

C = Conformance
GENERAL = C.GET | C.SET | C.ACTION | C.MULTIPLE_REFERENCES | C.GENERAL_BLOCK_TRANSFER
"""What is long can only go in general blocks."""
SHORT = (
    C.READ
    | C.WRITE
    | C.UNCONFIRMED_WRITE
    | C.PARAMETERIZED_ACCESS
    | C.MULTIPLE_REFERENCES
    | C.BLOCK_TRANSFER_WITH_GET_OR_READ
    | C.BLOCK_TRANSFER_WITH_SET_OR_WRITE
)
SHORT_GENERAL = C.READ | C.WRITE | C.MULTIPLE_REFERENCES | C.GENERAL_BLOCK_TRANSFER
OWN, OWN_AND_GENERAL, ONLY_GENERAL = range(3)
"""In which blocks what is long goes: those of the services, general blocks too, these only."""
_CONFORMANCES = {
    False: (EVERYTHING, EVERYTHING | C.GENERAL_BLOCK_TRANSFER, GENERAL),
    True: (SHORT, SHORT | C.GENERAL_BLOCK_TRANSFER, SHORT_GENERAL),
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """What sort of association a play runs in."""

    context: ApplicationContext
    dedicated: bool = False

    @property
    def client(self) -> int:
        """The client's service access point."""
        return secured.MANAGER if self.context.ciphered else WRITER

    def conformance(self, blocks: int) -> Conformance:
        """What is negotiated."""
        return _CONFORMANCES[self.context.short_names][blocks]

    def both_ends(self, held: MemoryStore, conformance: Conformance) -> tuple[Device, AssociationRequest]:
        """A device with the association, and how a client asks for it."""
        context = self.context
        if context.ciphered:
            world = secured.world(context=context, conformance=conformance, max_receive=PROTECTED_PDU)
            world.device.store = held
            request = AssociationRequest(
                Mechanism.HLS_GMAC,
                context=context,
                conformance=conformance,
                max_receive=PROTECTED_PDU,
                security=world.client(dedicated=self.dedicated),
            )
            return world.device, request
        password = PASSWORDS[WRITER]
        if not context.short_names:
            served = devices.device(held, conformance=conformance, max_receive=SMALL_PDU)
        else:
            granted = ServerAssociation(
                WRITER, SERVER, _short_names(), conformance, Mechanism.LLS, password, SMALL_PDU, context
            )
            served = Device(held, (LogicalDevice(SERVER, b"TST0000000000001"),), (granted,))
        return served, AssociationRequest(
            Mechanism.LLS, password, context=context, conformance=conformance, max_receive=SMALL_PDU
        )


def _short_names() -> dict[Any, Served]:
    own = AssociationSnV1("0.0.40.0.0.255")
    seen = {key: one for key, one in devices.seen(Access.READ_WRITE, True).items() if key[0] != AssociationLn.class_id}
    rights = Rights(dict.fromkeys(own.attributes, Access.READ))
    return {**seen, (own.class_id, own.instance): Served(own, rights)}


LN, SN = Kind(ApplicationContext.LN), Kind(ApplicationContext.SN)
LN_CIPHERED = Kind(ApplicationContext.LN_CIPHERED, dedicated=True)
SN_CIPHERED = Kind(ApplicationContext.SN_CIPHERED)


class CountingStore(MemoryStore):
    """Counts what it carries out, by the number that each value and parameter is."""

    def __init__(self) -> None:
        super().__init__(devices.store().values)
        self.ran: Counter[int] = Counter()
        self.methods[ENERGY.reset] = lambda parameter: None

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        super().set(ref, value)
        if ref in (ENERGY.value, LONG.value):
            self.ran[value[0] if ref == LONG.value else int(value)] += 1

    def call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        self.ran[int(parameter)] += 1
        return super().call(ref, parameter)


def operation(names: Referencing, verb: str, number: int) -> Operation[Any]:
    """What a verb asks for; `number` is what it writes."""
    match verb:
        case "get":
            return names.get(ENERGY.value)
        case "get-long":
            return names.get(LONG.value)
        case "get-profile":
            return names.get(PROFILE.buffer)
        case "get-list":
            return names.get_many([ENERGY.value, LONG.value, ENERGY.scaler_unit])
        case "set":
            return names.set_value(ENERGY.value, DoubleLongUnsigned(number))
        case "set-long":
            return names.set_value(LONG.value, bytes((number,)) * LONG_SIZE)
        case "set-list":
            return names.set_many([(ENERGY.value, DoubleLongUnsigned(number)), (ENERGY.scaler_unit, (number, 30))])
    return names.call(ENERGY.reset, Integer(number))


@dataclasses.dataclass
class Done:
    """One step of a script: its verb, its number, how it ended."""

    verb: str
    number: int
    ticket: Ticket[Any]

    @property
    def error(self) -> Exception | None:
        try:
            self.ticket.result()
        except LocalProtocolError:
            raise
        except DlmsError as error:
            return error
        return None


class Play:
    """A client and a server on a line.  What the line does to the next message is the next of `fates`, then nothing."""

    def __init__(
        self,
        kind: Kind,
        client: Callable[[int], Framing],
        server: Callable[[], ServerFraming],
        fates: Sequence[Fate] = (),
        blocks: int = 0,
        parallel: int = 1,
        **line: Any,
    ) -> None:
        RANDOM.seed(0)
        self.kind, self.parallel = kind, parallel
        self.store = CountingStore()
        self.device, self.request = kind.both_ends(self.store, kind.conformance(blocks))
        self.client, self.server = client, server
        self.serve()
        self.fates: Iterator[Fate] = iter(fates)
        self.done: list[Done] = []
        self.now = 0.0
        self.line_options = line
        self.dial()

    def serve(self) -> None:
        """The device answers on a new medium."""
        self.session = Session({None: self.device}, self.server())

    def dial(self) -> None:
        """A new connection to the same session, at the time that it is."""
        framing = self.client(self.kind.client)
        self.connection = Connection(framing, self.request, timeout_s=TIMEOUT_S, parallel=self.parallel)
        self.names: Referencing | None = None
        self.line = Line(
            self.near(),
            self.far(),
            lambda: next(self.fates, ARRIVES),
            now=self.now,
            **self.line_options,
        )

    def near(self) -> Station:
        of = self.connection
        return Station(of.receive_data, of.data_to_send, of.next_timeout, of.handle_timeout)

    def far(self) -> Station:
        of = self.session
        return Station(of.receive_data, of.data_to_send, of.next_timeout, of.handle_timeout)

    def finish(self, ticket: Ticket[Any]) -> None:
        self.line.run(lambda: ticket.done)
        self.now = self.line.now
        assert ticket.done, "nothing is left to happen and the operation still waits"

    def open(self) -> bool:
        """Whether the association is open; up to three tries where the line is still up."""
        for _ in range(3):
            ticket = self.connection.open(self.line.now)
            self.finish(ticket)
            try:
                ticket.result()
                return True
            except DlmsError:
                if self.connection.closed is not None:
                    return False
        return False

    def step(self, verb: str) -> None:
        """One operation, up to its end."""
        number = len(self.done) + 1
        ticket = self.connection.start(self.operation(verb, number), self.line.now)
        self.finish(ticket)
        self.done.append(Done(verb, number, ticket))

    def operation(self, verb: str, number: int) -> Operation[Any]:
        if self.names is None:  # with short names it keeps the object list
            datagrams = not self.connection.framing.reliable
            self.names = referencing(self.connection.negotiated, datagrams=datagrams)
        return operation(self.names, verb, number)

    def perform(self, script: Sequence[str]) -> None:
        """Open the association and do one step after the other; nothing when it cannot be opened."""
        opened = self.open()
        event(f"open: {opened}")
        for verb in script if opened else ():
            self.step(verb)
            event(f"{verb}: {type(self.done[-1].error).__name__}")

    def perform_at_once(self, script: Sequence[str]) -> None:
        """Open the association and begin all steps; they end as they may."""
        if not self.open():
            return
        begun: list[Done] = []
        for number, verb in enumerate(script, 1):
            high = number % 3 != 0
            ticket = self.connection.start(self.operation(verb, number), self.line.now, high_priority=high)
            begun.append(Done(verb, number, ticket))
        for done in begun:
            self.finish(done.ticket)
        self.done = begun

    def check_reads(self) -> None:
        """What was read is something that the device has held at some time, whole."""
        numbers = {1234, *(done.number for done in self.done)}
        longs = {bytes(range(256)) * 3, *(bytes((number,)) * LONG_SIZE for number in numbers if number < 256)}
        for done in self.done:
            if done.error is not None:
                continue
            value = done.ticket.result()
            if done.verb == "get":
                assert value in numbers
            elif done.verb == "get-long":
                assert value in longs
            elif done.verb == "get-profile":
                assert value == self.store.values[PROFILE.buffer].rows
            elif done.verb == "get-list":
                assert value[0] in numbers
                assert value[1] in longs

    def check_writes(self, *, at_most_once: bool) -> None:
        """What succeeded was carried out, what was refused was not; nothing twice where the layer below repeats nothing."""
        for done in self.done:
            if done.verb.startswith("get"):
                continue
            ran = self.store.ran[done.number]
            if at_most_once:
                assert ran <= 1, done
            if done.error is None:
                assert ran >= 1, done
                assert done.verb != "set-list" or done.ticket.result()[0] is None
            elif not isinstance(done.error, OutcomeUnknown):
                assert ran == 0, (done, done.error)

    def check_that_both_ends_agree(self, *, anew: bool = False) -> None:
        """On a line that is sound again both ends agree, on the old link or on a new one; always on one with `anew`."""
        self.fates = iter(())
        if not anew and self.connection.closed is None:
            ticket = self.connection.start(self.operation("get", 0), self.line.now)
            self.finish(ticket)
            if self.connection.closed is None and self.connection.association.state is State.OPEN:
                assert ticket.result() == self.store.values[ENERGY.value]
                return
        self.dial()
        assert self.open()
        ticket = self.connection.start(self.operation("get", 0), self.line.now)
        self.finish(ticket)
        assert ticket.result() == self.store.values[ENERGY.value]

    def check_that_nothing_changes_by_repetition(self) -> None:
        """No request that changes something went out twice."""
        changing = [
            octets[HEADER.size :]
            for name, octets in self.line.carried
            if name == "near" and octets[HEADER.size : HEADER.size + 1] in CHANGING
        ]
        numbered = [encode(decode_apdu(octets))[3:] if octets[0] in (0xC1, 0xC3) else octets for octets in changing]
        assert len(set(changing)) == len(changing), "a request that changes something was sent twice"
        assert len(set(numbered)) == len(numbered), "a request that changes something was sent twice"
