"""A small device for tests, and a client's side that says exactly the octets it is told to."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from dlms.acse import Aare, decode_acse
from dlms.apdu import GetRequestNext, GetRequestNormal, GetResponseWithDatablock, decode_apdu
from dlms.apdu.attribute import SelectiveAccess
from dlms.codec import Record, encode
from dlms.cosem_time import DateTime
from dlms.enums import Conformance, Mechanism
from dlms.framing import Peer
from dlms.framing.wrapper import HEADER, WrapperServer, wrap
from dlms.ic import AssociationLn, Clock, Data, ProfileGeneric, Register, SapAssignment
from dlms.interface import AttributeRef, Interface
from dlms.limits import MAX_TRANSFER
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.read import descriptor
from dlms.quirks import Quirk
from dlms.server import (
    Access,
    Device,
    LogicalDevice,
    MemoryRows,
    MemoryStore,
    Rights,
    Served,
    ServerAssociation,
    Session,
)
from dlms.values import DoubleLongUnsigned, Integer

PUBLIC, READER, WRITER = 16, 17, 18
"""Clients: without password; with `12345`; with `98765` and more rights."""
SERVER = 1
PASSWORDS = {READER: b"12345", WRITER: b"98765"}

ASSOCIATION, ENERGY = AssociationLn("0.0.40.0.0.255"), Register("1.0.1.8.0.255")
CLOCK, PROFILE = Clock("0.0.1.0.0.255"), ProfileGeneric("1.0.99.1.0.255")
NAME, LONG, SAPS = Data("0.0.42.0.0.255"), Data("0.0.96.1.0.255"), SapAssignment("0.0.41.0.0.255")
OBJECTS: tuple[Interface, ...] = (ASSOCIATION, ENERGY, CLOCK, PROFILE, NAME, LONG, SAPS)

START = datetime.datetime(2024, 1, 1)
STEP = datetime.timedelta(minutes=15)
C = Conformance
EVERYTHING = (
    C.GET
    | C.SET
    | C.ACTION
    | C.SELECTIVE_ACCESS
    | C.MULTIPLE_REFERENCES
    | C.BLOCK_TRANSFER_WITH_GET_OR_READ
    | C.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | C.BLOCK_TRANSFER_WITH_ACTION
)


def at(row: int) -> bytes:
    """The time of a row of the profile."""
    return DateTime.of(START + row * STEP).raw


def rows(count: int) -> list[tuple[Any, ...]]:
    """Rows of (time, energy, status)."""
    return [(at(row), DoubleLongUnsigned(1000 + row), Integer(row % 100)) for row in range(count)]


def store(count: int = 20) -> MemoryStore:
    """Values of every object, with `count` rows in the profile."""
    captured = [(8, bytes(CLOCK.instance), 2, 0), (3, bytes(ENERGY.instance), 2, 0), (3, bytes(ENERGY.instance), 4, 0)]
    made = MemoryStore(
        {
            ENERGY.value: DoubleLongUnsigned(1234),
            ENERGY.scaler_unit: (1, 30),
            CLOCK.time: at(0),
            CLOCK.time_zone: 60,
            PROFILE.capture_objects: captured,
            PROFILE.capture_period: 900,
            PROFILE.sort_method: 1,
            PROFILE.sort_object: captured[0],
            PROFILE.profile_entries: 1000,
            NAME.value: b"TST0000000000001",
            LONG.value: bytes(range(256)) * 3,
        }
    )
    made.put(PROFILE.buffer, MemoryRows(rows(count)))
    made.methods[ENERGY.reset] = lambda parameter: None
    return made


def seen(access: Access, methods: bool) -> dict[Any, Served]:
    """Every object with one access mode for all attributes."""
    return {
        (one.class_id, one.instance): Served(
            one,
            Rights(dict.fromkeys(one.attributes, access), frozenset(one.methods) if methods else frozenset()),
        )
        for one in OBJECTS
    }


def device(
    held: MemoryStore | None = None,
    *,
    conformance: Conformance = EVERYTHING,
    quirks: Iterable[Quirk] = (),
    max_receive: int = 0xFFFF,
) -> Device:
    """A device with three associations: public reads, the reader reads and calls, the writer does everything."""
    rights = {PUBLIC: seen(Access.READ, False), READER: seen(Access.READ, True), WRITER: seen(Access.READ_WRITE, True)}
    associations = tuple(
        ServerAssociation(
            client,
            SERVER,
            objects,
            conformance,
            Mechanism.LLS if client in PASSWORDS else Mechanism.NONE,
            PASSWORDS.get(client, b""),
            max_receive,
        )
        for client, objects in rights.items()
    )
    return Device(
        held or store(), (LogicalDevice(SERVER, b"TST0000000000001"),), associations, quirks=frozenset(quirks)
    )


def proposal(client: int = PUBLIC, conformance: Conformance = EVERYTHING, max_receive: int = 0xFFFF) -> bytes:
    """The AARQ of one of the clients."""
    mechanism = Mechanism.LLS if client in PASSWORDS else Mechanism.NONE
    secret = PASSWORDS.get(client, b"")
    return encode(aarq(AssociationRequest(mechanism, secret, conformance=conformance, max_receive=max_receive)))


class Dialogue:
    """Octets in, octets out: one session over a wrapper, one or several clients."""

    def __init__(self, served: Device | None = None) -> None:
        self.device = served or device()
        self.session = Session({None: self.device}, WrapperServer())
        self.now = 0.0

    def say(self, apdu: bytes | Record, client: int = PUBLIC, server: int = SERVER) -> bytes | None:
        """The one answer to an APDU, None for silence."""
        data = apdu if isinstance(apdu, bytes) else encode(apdu)
        self.session.receive_data(wrap(client, server, data), self.now)
        answers = self.session.data_to_send()
        assert len(answers) <= 1
        for answer in answers:
            version, source, destination, size = HEADER.unpack_from(answer)
            assert (version, source, destination, size) == (1, server, client, len(answer) - HEADER.size)
            return answer[HEADER.size :]
        return None

    def ask(self, apdu: bytes | Record, client: int = PUBLIC) -> Record:
        """The answer, decoded."""
        answer = self.say(apdu, client)
        assert answer is not None
        return decode_acse(answer) if answer[0] in (0x61, 0x63) else decode_apdu(answer)

    def open(self, client: int = PUBLIC, conformance: Conformance = EVERYTHING, max_receive: int = 0xFFFF) -> Dialogue:
        """Associate."""
        answer = self.ask(proposal(client, conformance, max_receive), client)
        assert isinstance(answer, Aare)
        assert answer.result == 0
        return self

    def is_associated(self, client: int = PUBLIC) -> bool:
        """Whether the logical name of the current association can be read."""
        return self.say(bytes.fromhex("c001c1000f0000280000ff0100"), client) == bytes.fromhex(
            "c401c10009060000280000ff"
        )

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None, client: int = PUBLIC) -> Record:
        """One GET."""
        return self.ask(GetRequestNormal(0xC1, descriptor(ref), access), client)

    def collect(self, first: Record, client: int = PUBLIC) -> tuple[bytes, list[bytes]]:
        """All of a long answer from its first block on, and its pieces."""
        pieces: list[bytes] = []
        reply = first
        while True:
            assert isinstance(reply, GetResponseWithDatablock), reply
            assert reply.block.block_number == len(pieces) + 1
            assert isinstance(reply.block.result, bytes), reply
            pieces.append(reply.block.result)
            assert sum(map(len, pieces)) <= MAX_TRANSFER
            if reply.block.last_block:
                return b"".join(pieces), pieces
            assert reply.block.result, "an empty block is no progress"
            reply = self.ask(GetRequestNext(0xC1, len(pieces)), client)


PEER = Peer(PUBLIC, SERVER)
