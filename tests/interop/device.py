"""A device made by hand for the peers to read: classes 1, 3, 4, 7, 8, 15, 17 and 23, and every scalar type of Data.

Each row says what the server holds, the tag that must stand on the wire, and the plain value that a peer must come to:
three statements made apart from each other, so that a wrong encoder cannot agree with itself.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from dlms.cosem_time import DateTime
from dlms.data import (
    DONT_CARE,
    Bcd,
    BitString,
    Date,
    DeltaDoubleLong,
    DeltaDoubleLongUnsigned,
    DeltaInteger,
    DeltaLong,
    DeltaLongUnsigned,
    DeltaUnsigned,
    DoubleLong,
    DoubleLongUnsigned,
    Enum,
    Float32,
    Float64,
    Integer,
    Long,
    Long64,
    Long64Unsigned,
    LongUnsigned,
    Time,
    Unsigned,
    Utf8String,
)
from dlms.endpoint import Listening, listen, server_framing
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.ic import (
    AssociationLn,
    AssociationSnV1,
    Clock,
    Data,
    ExtendedRegister,
    IecHdlcSetup,
    ProfileGeneric,
    Register,
    SapAssignment,
)
from dlms.interface import Interface
from dlms.media import Medium
from dlms.operations.associate import SN_CONFORMANCE
from dlms.serve import serve
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
from hdlc import Parameters

PUBLIC, OPERATOR, SHORT_PDU = 16, 17, 18
"""Clients: without authentication; with a password; with a password, and a server that takes 64 octets in one APDU."""
SERVER, PHYSICAL = 1, 17
PASSWORD = "Watt4now"
NAME = b"TST0000000000001"
SMALL_PDU = 64

_MOMENT = "07e8020d0210213700ffc400"
MOMENT = datetime.datetime(2024, 2, 13, 16, 33, 55)

SCALARS: tuple[tuple[str, Any, int, Any], ...] = (
    ("null-data", None, 0, None),
    ("boolean true", True, 3, True),
    ("boolean false", False, 3, False),
    ("bit-string", BitString("1011001110001"), 4, "1011001110001"),
    ("double-long lowest", DoubleLong(-(2**31)), 5, -(2**31)),
    ("double-long highest", DoubleLong(2**31 - 1), 5, 2**31 - 1),
    ("double-long-unsigned highest", DoubleLongUnsigned(2**32 - 1), 6, 2**32 - 1),
    ("octet-string", bytes(range(20)), 9, bytes(range(20))),
    ("octet-string empty", b"", 9, b""),
    ("octet-string of 200", bytes(range(200)), 9, bytes(range(200))),
    ("visible-string", "5098736-Q1", 10, "5098736-Q1"),
    ("utf8-string", Utf8String("Zähler №1"), 12, "Zähler №1"),
    ("bcd", Bcd(0x12), 13, 0x12),
    ("integer lowest", Integer(-128), 15, -128),
    ("integer highest", Integer(127), 15, 127),
    ("long lowest", Long(-(2**15)), 16, -(2**15)),
    ("unsigned highest", Unsigned(255), 17, 255),
    ("long-unsigned highest", LongUnsigned(65535), 18, 65535),
    ("long64 lowest", Long64(-(2**63)), 20, -(2**63)),
    ("long64-unsigned highest", Long64Unsigned(2**64 - 1), 21, 2**64 - 1),
    ("enum", Enum(201), 22, 201),
    ("float32", Float32(-0.15625), 23, -0.15625),
    ("float64", Float64(1 / 3), 24, 1 / 3),
    ("date-time", DateTime(bytes.fromhex(_MOMENT)), 25, MOMENT),
    ("date", Date(bytes.fromhex(_MOMENT[:10])), 26, MOMENT.date()),
    ("time", Time(bytes.fromhex("10213700")), 27, MOMENT.time()),
    ("delta-integer", DeltaInteger(-5), 28, -5),
    ("delta-long", DeltaLong(-500), 29, -500),
    ("delta-double-long", DeltaDoubleLong(-50000), 30, -50000),
    ("delta-unsigned", DeltaUnsigned(5), 31, 5),
    ("delta-long-unsigned", DeltaLongUnsigned(500), 32, 500),
    ("delta-double-long-unsigned", DeltaDoubleLongUnsigned(50000), 33, 50000),
    ("dont-care", DONT_CARE, 255, None),
)
"""(name, what the server holds, tag on the wire, what the peer must come to)"""


@dataclass(frozen=True, slots=True)
class Expected:
    """One attribute: its value, the tags on the wire (`tests.interop.tags`), and what a peer must come to."""

    of: Interface
    index: int
    held: Any
    tags: Any
    plain: Any
    name: str = ""

    @property
    def place(self) -> str:
        """How a deviation is named: the type of a scalar, else class and attribute."""
        return self.name or f"{type(self.of).__name__}.{self.of.attributes[self.index].name}"


def scalar(name: str) -> Data:
    """The object that holds the scalar of that name."""
    return Data(f"0.0.96.50.{[row[0] for row in SCALARS].index(name)}.255")


ENERGY = Register("1.0.1.8.0.255")
DEMAND = ExtendedRegister("1.0.1.6.0.255")
PROFILE = ProfileGeneric("1.0.99.1.0.255")
CLOCK = Clock("0.0.1.0.0.255")
ASSOCIATION = AssociationLn("0.0.40.0.0.255")
SHORT_NAMES = AssociationSnV1("0.0.40.0.0.255")
SAPS = SapAssignment("0.0.41.0.0.255")
HDLC = IecHdlcSetup("0.0.22.0.0.255")
LONG = Data("0.0.96.51.0.255")
LONG_VALUE = bytes(range(256)) * 12
TABLE = Data("0.0.96.51.1.255")
WRITABLE = Data("0.0.96.51.2.255")

SCALER_UNIT = (2, (15, 22))
CAPTURE = (2, (18, 9, 15, 18))
ROW = (2, (9, 18, 6, 15, 6, 6))
ROWS = 150
START = datetime.datetime(2024, 2, 13)
STEP = datetime.timedelta(minutes=15)


def clock(moment: datetime.datetime) -> bytes:
    """The octets of a moment in local time, deviation and status not specified, as a peer would write them out."""
    date = moment.year.to_bytes(2, "big") + bytes((moment.month, moment.day, moment.isoweekday()))
    return date + bytes((moment.hour, moment.minute, moment.second, 0)) + b"\x80\x00\xff"


def row(number: int) -> list[Any]:
    """The plain values of one row."""
    energy = 3_000_000_000 + 1000 * number
    return [clock(START + number * STEP), number & 0x3F, number << 8, -3, energy, number]


PLAIN_ROWS = [row(number) for number in range(ROWS)]
_ROW_TYPES = (bytes, LongUnsigned, DoubleLongUnsigned, Integer, DoubleLongUnsigned, DoubleLongUnsigned)
_COLUMNS = (
    (8, bytes(CLOCK.instance), 2, 0),
    (1, bytes(scalar("long-unsigned highest").instance), 2, 0),
    (1, bytes(scalar("double-long-unsigned highest").instance), 2, 0),
    (1, bytes(scalar("integer lowest").instance), 2, 0),
    (3, bytes(ENERGY.instance), 2, 0),
    (4, bytes(DEMAND.instance), 2, 0),
)
_TIME = bytes.fromhex(_MOMENT)
_SUMMER = bytes.fromhex("ffff03fe0702000000800000"), bytes.fromhex("ffff0afe0703000000800080")
_NESTED = ((Unsigned(1), [LongUnsigned(2), LongUnsigned(3)]), "four", [])

VALUES: tuple[Expected, ...] = (
    *(Expected(scalar(name), 2, held, tag, plain, name) for name, held, tag, plain in SCALARS),
    Expected(ENERGY, 2, DoubleLongUnsigned(123456), 6, 123456),
    Expected(ENERGY, 3, (-1, 30), SCALER_UNIT, [-1, 30]),
    Expected(DEMAND, 2, DoubleLongUnsigned(4711), 6, 4711),
    Expected(DEMAND, 3, (1, 27), SCALER_UNIT, [1, 27]),
    Expected(DEMAND, 4, Unsigned(3), 17, 3),
    Expected(DEMAND, 5, _TIME, 9, _TIME),
    Expected(PROFILE, 3, list(_COLUMNS), (1, CAPTURE), [list(column) for column in _COLUMNS]),
    Expected(PROFILE, 4, 900, 6, 900),
    Expected(PROFILE, 5, 1, 22, 1),
    Expected(PROFILE, 6, _COLUMNS[0], CAPTURE, list(_COLUMNS[0])),
    Expected(PROFILE, 7, ROWS, 6, ROWS),
    Expected(PROFILE, 8, 3000, 6, 3000),
    Expected(CLOCK, 2, _TIME, 9, _TIME),
    Expected(CLOCK, 3, 60, 16, 60),
    Expected(CLOCK, 4, 0x80, 17, 0x80),
    Expected(CLOCK, 5, _SUMMER[0], 9, _SUMMER[0]),
    Expected(CLOCK, 6, _SUMMER[1], 9, _SUMMER[1]),
    Expected(CLOCK, 7, -60, 15, -60),
    Expected(CLOCK, 8, True, 3, True),
    Expected(CLOCK, 9, 1, 22, 1),
    Expected(HDLC, 2, 5, 22, 5),
    Expected(HDLC, 3, 1, 17, 1),
    Expected(HDLC, 4, 1, 17, 1),
    Expected(HDLC, 5, 512, 18, 512),
    Expected(HDLC, 6, 128, 18, 128),
    Expected(HDLC, 7, 500, 18, 500),
    Expected(HDLC, 8, 120, 18, 120),
    Expected(HDLC, 9, 17, 18, 17),
    Expected(LONG, 2, LONG_VALUE, 9, LONG_VALUE, "long octet-string"),
    Expected(TABLE, 2, _NESTED, (2, ((2, (17, (1, 18))), 10, 1)), [[1, [2, 3]], "four", []], "nested structure"),
    Expected(WRITABLE, 2, DoubleLongUnsigned(7), 6, 7, "writable"),
)
"""What the store holds; the buffer is `PLAIN_ROWS`, and classes 15 and 17 answer for themselves."""

DERIVED: tuple[Expected, ...] = (
    Expected(ASSOCIATION, 4, None, 9, bytes.fromhex("60857405080101")),
    Expected(ASSOCIATION, 8, None, 22, 2),
    Expected(SAPS, 2, None, (1, (2, (18, 9))), [[SERVER, NAME]]),
)
"""What the server itself answers, whoever asks."""

_CONFORMANCE = (
    Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.ACTION
    | Conformance.ACCESS
)


METHODS = {
    ENERGY: frozenset((1,)),
    CLOCK: frozenset(range(1, 7)),
    PROFILE: frozenset((1, 2)),
    ASSOCIATION: frozenset((2,)),
}
"""What may be called; change_hls_secret takes a long parameter and keeps it in `LONG`."""


def _rights(of: Interface) -> Rights:
    modes = dict.fromkeys(of.attributes, Access.READ)
    if of == ASSOCIATION:
        modes[7] = Access.WRITE
    if isinstance(of, Data | Clock):
        modes[2] = Access.READ_WRITE
    return Rights(modes, METHODS.get(of, frozenset()))


WRITES: tuple[tuple[str, Any], ...] = (
    ("boolean false", True),
    ("double-long highest", -123456),
    ("double-long-unsigned highest", 4_000_000_000),
    ("octet-string", b"\x00\x7e\xa0\xff"),
    ("visible-string", "written"),
    ("integer lowest", -5),
    ("long lowest", -300),
    ("unsigned highest", 200),
    ("long-unsigned highest", 60_000),
    ("long64 lowest", -(2**40)),
    ("long64-unsigned highest", 2**63 + 5),
    ("enum", 7),
    ("float32", 0.5),
    ("float64", -1e-9),
)
"""Scalars that are written, and what is written."""


def _store() -> MemoryStore:
    store = MemoryStore({one.of.attribute_ref(one.index): one.held for one in VALUES})
    store.put(PROFILE.buffer, MemoryRows([_typed_row(values) for values in PLAIN_ROWS]))
    store.methods[ENERGY.reset] = lambda parameter: store.put(ENERGY.value, DoubleLongUnsigned(0))
    return store


def short_name_device() -> Device:
    """The same device with short names: its association is of class 12, and the methods of classes 3, 7 and 8 are called.

    What was called last is in `LONG`, as the method's index and what came with it.
    """
    store = _store()
    for method in (PROFILE.reset, PROFILE.capture, CLOCK.adjust_to_quarter, CLOCK.shift_time):
        store.methods[method] = partial(_called, store, method.index)
    objects = {(one.of.class_id, one.of.instance): one.of for one in (*VALUES, *DERIVED) if one.of != ASSOCIATION}
    served = {key: Served(of, _rights(of)) for key, of in objects.items()}
    served[12, SHORT_NAMES.instance] = Served(SHORT_NAMES, Rights(dict.fromkeys(SHORT_NAMES.attributes, Access.READ)))
    granted = (
        ServerAssociation(PUBLIC, SERVER, served, SN_CONFORMANCE, context=ApplicationContext.SN),
        ServerAssociation(
            OPERATOR, SERVER, served, SN_CONFORMANCE, Mechanism.LLS, PASSWORD.encode(), context=ApplicationContext.SN
        ),
    )
    return Device(store, (LogicalDevice(SERVER, NAME),), granted)


def _called(store: MemoryStore, index: int, parameter: Any) -> None:
    store.put(LONG.value, bytes((index, parameter & 0xFF)))


def device() -> Device:
    """A new device with all of this; its store is a MemoryStore."""
    store = _store()
    store.methods[ASSOCIATION.change_hls_secret] = lambda parameter: store.put(LONG.value, parameter)
    objects = {(one.of.class_id, one.of.instance): one.of for one in (*VALUES, *DERIVED)}
    served = {key: Served(of, _rights(of)) for key, of in objects.items()}
    secret = PASSWORD.encode()
    granted = (
        ServerAssociation(PUBLIC, SERVER, served, _CONFORMANCE),
        ServerAssociation(OPERATOR, SERVER, served, _CONFORMANCE, Mechanism.LLS, secret),
        ServerAssociation(SHORT_PDU, SERVER, served, _CONFORMANCE, Mechanism.LLS, secret, max_receive=SMALL_PDU),
    )
    return Device(store, (LogicalDevice(SERVER, NAME),), granted)


def _typed_row(values: list[Any]) -> tuple[Any, ...]:
    return tuple(of(value) for of, value in zip(_ROW_TYPES, values, strict=True))


@contextmanager
def listening(served: Device, scheme: str) -> Iterator[Listening]:
    """The device on a free port of the loopback, over the wrapper (`tcp`) or HDLC (`hdlc`), until the block ends."""
    url = f"{scheme}://127.0.0.1:0"
    listener = listen(url, _server(served, url))
    try:
        yield listener
    finally:
        listener.close()


def _server(served: Device, url: str) -> Callable[[Medium], None]:
    if url.startswith("tcp"):
        return lambda medium: serve(Session({None: served}, server_framing(url)), medium)
    options: dict[str, Any] = {
        "server_saps": frozenset((SERVER,)),
        "physical": frozenset((None, PHYSICAL)),
        "parameters": Parameters(max_info_transmit=512, max_info_receive=256),
    }
    return lambda medium: serve(Session({None: served, PHYSICAL: served}, server_framing(url, **options)), medium)
