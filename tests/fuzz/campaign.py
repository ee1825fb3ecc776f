"""Fuzz campaigns: a client and a session in memory that talk of real things, while one end, or the line, turns hostile.

A round is made from its seed alone.  It raises AssertionError where an invariant does not hold, and lets through whatever
is not one of our errors.  `test_campaign` plays a few rounds of each, `python -m tests.fuzz` as many as are wanted.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from dlms.apdu import (
    ConfirmedServiceError,
    DataNotification,
    ExceptionResponse,
    GatewayRequest,
    GatewayResponse,
    GetRequestNext,
    GetResponseWithDatablock,
    InformationReportRequest,
)
from dlms.apdu.attribute import ResultBlock
from dlms.association import State
from dlms.client import referencing
from dlms.codec import decode, encode
from dlms.connection import Connection, Ticket
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import AccessError, DlmsError, LocalProtocolError
from dlms.framing import Framing
from dlms.framing.gateway import Gateway, GatewayClient
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer, wrap
from dlms.ic import SecuritySetup
from dlms.operations import Operation
from dlms.operations.associate import AssociationRequest
from dlms.security.policy import AUTHENTICATED_ENCRYPTED_POLICY, Envelope, Policy
from dlms.server import Access, Session
from dlms.values import Unsigned
from tests.dlms.secured import EVERYTHING, MANAGER, SECRET, world
from tests.dlms.server.devices import CLOCK, ENERGY, LONG, NAME, PROFILE, SERVER

LN, SN = ApplicationContext.LN, ApplicationContext.SN
LN_CIPHERED, SN_CIPHERED = ApplicationContext.LN_CIPHERED, ApplicationContext.SN_CIPHERED
MAX_STEPS = 3_000
"""Deliveries and timers until an operation has ended."""
ENDLESS = 200
"""Blocks that an endless meter gives before it falls silent: the bound on a transfer is tested elsewhere."""
BEHIND = Gateway(1, b"METER01")
BLOCKS = Conformance.GENERAL_BLOCK_TRANSFER


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Who talks to whom, and how."""

    context: ApplicationContext = LN
    envelope: Envelope = Envelope.SERVICE
    conformance: Conformance = EVERYTHING | Conformance.DATA_NOTIFICATION | Conformance.INFORMATION_REPORT
    parallel: int = 1
    gateway: bool = False
    datagrams: bool = False
    size: int = 0xFFFF


_ALL = Scenario().conformance
SCENARIOS = {
    "ln": Scenario(),
    "ln small": Scenario(size=200),
    "ln ciphered": Scenario(LN_CIPHERED, size=300),
    "ln general": Scenario(LN_CIPHERED, Envelope.GENERAL),
    "sn": Scenario(SN, size=200),
    "sn ciphered": Scenario(SN_CIPHERED),
    "parallel": Scenario(parallel=4, conformance=_ALL & ~Conformance.MULTIPLE_REFERENCES),
    "parallel ciphered": Scenario(LN_CIPHERED, parallel=4),
    "gateway": Scenario(gateway=True),
    "general blocks": Scenario(conformance=_ALL | BLOCKS, size=150),
    "general blocks ciphered": Scenario(LN_CIPHERED, conformance=_ALL | BLOCKS, size=150),
    "datagrams": Scenario(datagrams=True, size=300),
    "datagrams ciphered": Scenario(LN_CIPHERED, datagrams=True),
}
OPERATIONS: dict[str, Callable[[Any], Operation[Any]]] = {
    "value": lambda names: names.get(ENERGY.value),
    "unit": lambda names: names.get(ENERGY.scaler_unit),
    "long": lambda names: names.get(LONG.value),
    "name": lambda names: names.get(NAME.value),
    "list": lambda names: names.get_many([ENERGY.value, LONG.value, CLOCK.time_zone, ENERGY.scaler_unit]),
    "rows": lambda names: names.get_encoded(PROFILE.buffer),
    "set": lambda names: names.set_value(LONG.value, bytes(range(256)) * 3),
    "call": lambda names: names.call(ENERGY.reset),
    "missing": lambda names: names.get(SecuritySetup("0.0.43.0.9.255").security_policy),
}


class Dialogue:
    """A client and a session on a line of which every message can be changed; its clock goes as far as it must."""

    def __init__(self, of: Scenario) -> None:
        self.scenario, self.now, self.steps = of, 0.0, 0
        ciphered = of.context.ciphered
        mechanism = Mechanism.HLS_GMAC if ciphered else Mechanism.NONE
        policy = AUTHENTICATED_ENCRYPTED_POLICY if ciphered else Policy.NOTHING
        there = world(
            mechanism,
            context=of.context,
            policy=policy,
            access=Access.READ_WRITE,
            conformance=of.conformance,
            max_receive=of.size,
        )
        request = AssociationRequest(
            mechanism=mechanism,
            secret=SECRET if ciphered else b"",
            conformance=of.conformance,
            context=of.context,
            max_receive=of.size,
            security=there.client(envelope=of.envelope) if ciphered else None,
        )
        below = WrapperClient(MANAGER, SERVER, datagrams=of.datagrams)
        framing: Framing = GatewayClient(below, BEHIND) if of.gateway else below
        self.session = Session({None: there.device}, WrapperServer(datagrams=of.datagrams, inactivity_timeout_s=0))
        self.connection = Connection(framing, request, parallel=of.parallel)
        self.said: list[bytes] = []
        """The APDUs of the client so far."""
        self.heard: list[bytes] = []
        """The answers so far, as they were before the line did anything to them."""
        opening = self.connection.open(self.now)
        self.run([opening])
        opening.result()
        self.names = referencing(self.connection.negotiated)

    def start(self, name: str) -> Ticket[Any]:
        return self.connection.start(OPERATIONS[name](self.names), self.now)

    def run(self, tickets: list[Ticket[Any]], line: Callable[[list[bytes]], list[bytes]] = list) -> None:
        """Until they have ended; `line` says what becomes of the answers."""
        for _ in range(MAX_STEPS):
            self.steps += 1
            moved = False
            for data in self.connection.data_to_send():
                moved = True
                self.ask(data[HEADER.size :])
            for apdu in line(self.answers()):
                moved = True
                self.connection.receive_data(wrap(SERVER, MANAGER, apdu), self.now)
            while self.connection.next_event() is not None:
                pass
            if all(ticket.done for ticket in tickets):
                return
            if not moved:
                due = [self.connection.next_timeout(), self.session.next_timeout()]
                self.now = max(self.now, min(moment for moment in due if moment is not None))
                self.connection.handle_timeout(self.now)
                self.session.handle_timeout(self.now)
        raise AssertionError(f"no end after {MAX_STEPS} steps")

    def ask(self, apdu: bytes) -> None:
        self.said.append(apdu)
        if self.scenario.gateway:
            apdu = decode(GatewayRequest, apdu).apdu
        self.session.receive_data(wrap(MANAGER, SERVER, apdu), self.now)

    def answers(self) -> list[bytes]:
        found = [data[HEADER.size :] for data in self.session.data_to_send()]
        if self.scenario.gateway:
            found = [encode(GatewayResponse(BEHIND.network_id, BEHIND.physical_device_address, one)) for one in found]
        self.heard += found
        return found

    @property
    def open(self) -> bool:
        return self.connection.closed is None and self.connection.association.state is State.OPEN


@functools.cache
def expected(scenario: Scenario) -> dict[str, Any]:
    """What each operation comes to while everybody is honest."""
    dialogue = Dialogue(scenario)
    found = {}
    for name in OPERATIONS:
        ticket = dialogue.start(name)
        dialogue.run([ticket])
        found[name] = outcome(ticket)
    return found


def outcome(ticket: Ticket[Any]) -> Any:
    """Its result; the text of a refusal; any other error of ours as it is."""
    try:
        return ticket.result()
    except LocalProtocolError as error:
        raise AssertionError("nothing was wrong here") from error
    except AccessError as error:
        return str(error)
    except DlmsError as error:
        return error


# --- what is done to an APDU ------------------------------------------------------------------------------------------

_LENGTHS = (b"\x00", b"\x7f", b"\x80", b"\x81\xff", b"\x82\xff\xff", b"\x84\xff\xff\xff\xff", b"\x83\x7f\xff\xff")


def mutated(rng: Random, apdu: bytes) -> bytes:
    """With octets changed, left out, repeated or added, or with a length that promises more."""
    wire = bytearray(apdu)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(wire) + 1) if rng.random() < 0.5 else rng.randrange(min(len(wire), 16) + 1)
        match rng.randrange(6):
            case 0 if place < len(wire):
                wire[place] ^= 1 << rng.randrange(8)
            case 1 if place < len(wire):
                wire[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            case 2:
                del wire[place:]
            case 3:
                wire[place:place] = rng.randbytes(rng.randrange(1, 6))
            case 4:
                wire[place:place] = wire[place : place + rng.randrange(1, 12)]
            case 5:
                wire[place : place + 1] = rng.choice(_LENGTHS)
    return bytes(wire)


# --- a hostile client -------------------------------------------------------------------------------------------------


def hostile_client(scenario: Scenario, rng: Random) -> None:
    """Mutated requests between honest ones: answered or not, the session goes on serving its client."""
    right = expected(scenario)
    dialogue = Dialogue(scenario)
    limit = min(scenario.size, 0xFFFF)
    for _ in range(rng.randrange(1, 4)):
        for name in rng.sample(sorted(OPERATIONS), 2):
            dialogue.run([dialogue.start(name)])
        apart = False
        for _ in range(rng.randrange(1, 6)):
            apdu = rng.choice(dialogue.said)
            if scenario.gateway:
                apdu = decode(GatewayRequest, apdu).apdu
            apdu = mutated(rng, apdu) if rng.random() < 0.9 else apdu
            apart |= apdu[:1] in (b"\x60", b"\x62")
            dialogue.session.receive_data(wrap(MANAGER, SERVER, apdu), dialogue.now)
            answers = dialogue.session.data_to_send()
            assert len(answers) <= 64
            if not apart:  # another AARQ may have agreed on another size
                assert all(len(answer) <= limit + HEADER.size for answer in answers), "longer than was agreed"
            dialogue.session.handle_timeout(dialogue.now)
            while dialogue.session.next_event() is not None:
                pass
        if apart:  # an AARQ or RLRQ may well end the association
            return
        ticket = dialogue.start("name")
        dialogue.run([ticket])
        found = outcome(ticket)
        assert scenario.context.ciphered is False or found == right["name"]
        assert not isinstance(found, DlmsError), found


# --- a hostile server -------------------------------------------------------------------------------------------------


class HostileLine:
    """Does to the answers what a meter, or somebody between, may do.  `forges`: it changes what they say, too."""

    def __init__(self, dialogue: Dialogue, rng: Random, forges: bool) -> None:
        self.dialogue, self.rng, self.forges = dialogue, rng, forges
        self.repeats = dialogue.scenario.context.ciphered
        self.share = rng.choice((0.1, 0.3, 0.7))
        self.endless = rng.random() < 0.1 and forges
        self.given = 0

    def __call__(self, answers: list[bytes]) -> list[bytes]:
        if self.endless and self.dialogue.said:
            return self._endless(answers)
        out = [piece for answer in answers for piece in self._changed(answer)]
        if answers and self.rng.random() < self.share / 2:
            self.rng.shuffle(out)
        return out

    def _changed(self, answer: bytes) -> Iterator[bytes]:
        if self.rng.random() > self.share:
            yield answer
            return
        match self.rng.randrange(7):
            case 0 if self.forges:
                yield mutated(self.rng, answer)
            case 1 if self.forges and len(answer) > 2:
                yield answer[:2] + bytes((answer[2] ^ self.rng.randrange(16),)) + answer[3:]
            case 2:
                return
            case 3 if self.repeats:
                yield answer
                yield answer
            case 4 if self.repeats or self.forges:
                yield self.rng.choice(self.dialogue.heard)
                yield answer
            case _:
                yield self._unasked()
                yield answer

    def _unasked(self) -> bytes:
        """What nobody has asked for, but that refuses nobody: without numbers that would be a forgery."""
        match self.rng.randrange(6 + 2 * self.forges):
            case 0:
                return encode(DataNotification(self.rng.getrandbits(32), b"", Unsigned(self.rng.randrange(99))))
            case 1:
                return encode(InformationReportRequest(None, [], []))
            case 2:
                return bytes((self.rng.choice((0xDB, 0xDC, 0xDD, 0xDF)),)) + self.rng.randbytes(30)
            case 3:
                return bytes((self.rng.choice((0xCA, 0xD2, 0x38, 0x58)), 20)) + self.rng.randbytes(20)
            case 4:
                return b"\x0f" + self.rng.randbytes(12)
            case 5:
                return mutated(self.rng, encode(DataNotification(1, b"", [Unsigned(1), b"two", Unsigned(3)])))
            case 6:
                return encode(self.rng.choice((ExceptionResponse(1, 1), ConfirmedServiceError(5, 0, 1))))
        return self.rng.randbytes(self.rng.randrange(1, 40)) if self.rng.random() < 0.5 else self._block()

    def _block(self) -> bytes:
        control = self.rng.getrandbits(8)
        head = bytes((0xE0, control)) + self.rng.randrange(4).to_bytes(2, "big") + self.rng.randrange(4).to_bytes(2, "big")
        octets = self.rng.randbytes(self.rng.randrange(20))
        return head + bytes((len(octets),)) + octets

    def _endless(self, answers: list[bytes]) -> list[bytes]:
        """Blocks without end to whoever reads on."""
        asked = self.dialogue.said[-1]
        if not answers or self.given > ENDLESS or asked[:1] != b"\xc0":
            return [] if self.given > ENDLESS else answers
        self.given += 1
        number = decode(GetRequestNext, asked).block_number + 1 if asked[1] == 2 else 1
        return [encode(GetResponseWithDatablock(asked[2], ResultBlock(False, number, b"\x09\x82\xff\xff")))]


def hostile_server(scenario: Scenario, rng: Random) -> None:
    """Operations end, with what is true or with one of our errors, and the association outlives what happened to them.

    What is protected is true, whatever the line does to it; what is not is true as long as the line forges nothing.
    """
    right = expected(scenario)
    dialogue = Dialogue(scenario)
    ciphered = scenario.context.ciphered
    line = HostileLine(dialogue, rng, forges=ciphered or rng.random() < 0.5)
    for _ in range(rng.randrange(1, 4)):
        names = [rng.choice(sorted(OPERATIONS)) for _ in range(rng.randrange(1, 6))]
        tickets = [dialogue.start(name) for name in names]
        dialogue.run(tickets, line)
        for name, ticket in zip(names, tickets, strict=True):
            found = outcome(ticket)
            trusted = ciphered or not line.forges
            assert not trusted or isinstance(found, DlmsError) or found == right[name], (name, found)
        if not dialogue.open:
            assert scenario.context.short_names, "with invoke-ids an association outlives a silence"
            return
    again = dialogue.start("unit")
    dialogue.run([again])
    if scenario.context.short_names and not ciphered and line.forges:
        return  # without invoke-ids and without protection a forged answer that is left over passes for a true one
    assert outcome(again) == right["unit"], outcome(again)
    left = dialogue.connection
    assert [len(left._waiting), len(left._held), len(left._under_way)] == [0, 0, 0], "something is left"
    assert left.next_timeout() is None


CAMPAIGNS: dict[str, Callable[[Scenario, Random], None]] = {
    "hostile client": hostile_client,
    "hostile server": hostile_server,
}


def play(campaign: str, scenario: str, seed: int) -> None:
    """One round."""
    CAMPAIGNS[campaign](SCENARIOS[scenario], Random(f"{campaign} {scenario} {seed}"))
