"""A meter with short names, and both ways to it without a socket: our client, and octets as they stand."""

from __future__ import annotations

import datetime
from typing import Any

from dlms.acse import Aare, decode_acse
from dlms.client import Client
from dlms.codec import encode
from dlms.connection import Connection
from dlms.cosem_time import DateTime
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import LinkError
from dlms.framing import Framing
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer, wrap
from dlms.ic import AssociationLn, AssociationSn, AssociationSnV1, Clock, Data, ProfileGeneric, Register, SapAssignment
from dlms.interface import Interface
from dlms.operations.associate import SN_CONFORMANCE, AssociationRequest, aarq
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
from dlms.values import DoubleLongUnsigned

SN = ApplicationContext.SN
PUBLIC, OPERATOR, LOGICAL = 16, 17, 18
"""Clients: short names; short names with a password; logical names."""
SERVER = 1
PASSWORD = b"12345"

ASSOCIATION = AssociationSnV1("0.0.40.0.0.255")
ENERGY, CLOCK = Register("1.0.1.8.0.255"), Clock("0.0.1.0.0.255")
PROFILE = ProfileGeneric("1.0.99.1.0.255")
TEXT, LONG, HIDDEN = Data("0.0.96.1.0.255"), Data("0.0.96.1.1.255"), Data("0.0.96.1.2.255")
SAPS, NAME = SapAssignment("0.0.41.0.0.255"), Data("0.0.42.0.0.255")
OBJECTS: tuple[Interface, ...] = (ASSOCIATION, ENERGY, CLOCK, PROFILE, TEXT, LONG, HIDDEN, SAPS, NAME)
ROWS = 300
START = datetime.datetime(2026, 1, 1)
STEP = datetime.timedelta(minutes=15)
ALL = SN_CONFORMANCE


def at(row: int) -> bytes:
    """The time of a row of the profile."""
    return DateTime.of(START + row * STEP).raw


def store() -> MemoryStore:
    """Values of every object; `calls` of the energy's reset are counted in its value."""
    made = MemoryStore(
        {
            ENERGY.value: DoubleLongUnsigned(1234),
            ENERGY.scaler_unit: (1, 30),
            CLOCK.time: at(0),
            TEXT.value: "hello",
            LONG.value: bytes(range(256)) * 4,
            HIDDEN.value: "secret",
            NAME.value: b"TST0000000000001",
            PROFILE.capture_objects: [(8, bytes(CLOCK.instance), 2, 0), (3, bytes(ENERGY.instance), 2, 0)],
            PROFILE.capture_period: 900,
            PROFILE.sort_method: 1,
            PROFILE.sort_object: (8, bytes(CLOCK.instance), 2, 0),
            PROFILE.profile_entries: 1000,
        }
    )
    made.put(PROFILE.buffer, MemoryRows([(at(row), DoubleLongUnsigned(1000 + row)) for row in range(ROWS)]))
    made.methods[ENERGY.reset] = lambda parameter: made.put(ENERGY.value, DoubleLongUnsigned(0))
    return made


def objects(association: Interface = ASSOCIATION) -> dict[Any, Served]:
    """What the associations see: everything may be read, written and called, but for the hidden one."""
    of = [association if one is ASSOCIATION else one for one in OBJECTS]
    return {(one.class_id, one.instance): Served(one, _rights(one)) for one in of}


def _rights(of: Interface) -> Rights:
    if of == HIDDEN:
        return Rights({1: Access.READ})
    return Rights(dict.fromkeys(of.attributes, Access.READ_WRITE), frozenset(of.methods))


def device(
    max_receive: int = 0xFFFF, conformance: Conformance = ALL, association: AssociationSn = ASSOCIATION
) -> Device:
    """The meter.  `max_receive` is what it receives in one APDU."""
    seen = objects(association)
    logical = {(15, one.instance): Served(one, _rights(one)) for one in (AssociationLn("0.0.40.0.0.255"),)}
    return Device(
        store(),
        (LogicalDevice(SERVER, b"TST0000000000001"),),
        (
            ServerAssociation(PUBLIC, SERVER, seen, conformance, max_receive=max_receive, context=SN),
            ServerAssociation(OPERATOR, SERVER, seen, conformance, Mechanism.LLS, PASSWORD, max_receive, SN),
            ServerAssociation(
                LOGICAL, SERVER, logical | {(3, ENERGY.instance): seen[3, ENERGY.instance]}, ~Conformance(0)
            ),
        ),
    )


class Loop:
    """A medium whose other end is a session in the same thread.  `sent` and `received` are the APDUs of the wrapper."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[bytes] = []
        self.received: list[bytes] = []

    def send(self, data: bytes) -> None:
        """What the client sends reaches the session at once."""
        self.sent.append(data[HEADER.size :])
        self.session.receive_data(data, 0.0)

    def receive(self, timeout_s: float | None) -> bytes:
        """What the session has answered.  Raises LinkError when that is nothing: it would be nothing for ever."""
        pieces = self.session.data_to_send()
        if not pieces:
            raise LinkError("the meter is silent")
        self.received += [piece[HEADER.size :] for piece in pieces]
        return b"".join(pieces)

    def close(self) -> None:
        """There is nothing to hang up."""


def client(
    of: Device, request: AssociationRequest | None = None, *, sap: int = PUBLIC, hdlc: bool = False
) -> tuple[Client, Loop]:
    """Our client, its association open, and the medium between."""
    near: Framing = HdlcClient(sap, SERVER) if hdlc else WrapperClient(sap, SERVER)
    far = HdlcServer(server_saps=frozenset((SERVER,))) if hdlc else WrapperServer()
    medium = Loop(Session({None: of}, far))
    connection = Connection(near, request or AssociationRequest(context=SN))
    return Client(connection, medium).open(), medium


class Wire:
    """The server alone: octets go in, octets come out."""

    def __init__(self, of: Device, sap: int = PUBLIC) -> None:
        self.sap = sap
        self.session = Session({None: of}, WrapperServer())

    def ask(self, apdu: str | bytes) -> bytes:
        """The answer to one APDU, empty when there is none."""
        data = bytes.fromhex(apdu) if isinstance(apdu, str) else apdu
        self.session.receive_data(wrap(self.sap, SERVER, data), 0.0)
        pieces = self.session.data_to_send()
        assert len(pieces) < 2
        return b"".join(pieces)[HEADER.size :]

    def associate(self, request: AssociationRequest | None = None) -> Aare:
        """What the server answers to an AARQ."""
        answer = decode_acse(self.ask(encode(aarq(request or AssociationRequest(context=SN)))))
        assert isinstance(answer, Aare)
        return answer

    def alive(self) -> bool:
        """Whether the association reads its own logical name."""
        return self.ask("050102fa00") == bytes.fromhex("0c010009060000280000ff")
