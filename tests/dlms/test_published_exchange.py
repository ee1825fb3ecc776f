"""The client's half of Kamstrup's published exchanges: given the meter's frames, exactly those client frames go out.

Frames are compared after reading them from the records with `hdlc`: two printed ones carry a stray octet behind the flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dlms.connection import Connection, Ticket
from dlms.enums import Conformance, Mechanism
from dlms.framing.hdlc import HdlcClient
from dlms.ic import Clock, Data, ProfileGeneric
from dlms.operations import profiles, read
from dlms.operations.associate import AssociationRequest
from dlms.operations.profiles import Column
from dlms.quirks import Quirk
from dlms.rows import decode_rows
from hdlc import FrameReader
from obis import Obis
from tests.vectors.shared import records

pytestmark = pytest.mark.vectors

KAMSTRUP = frozenset((Quirk.NO_RELEASE, Quirk.NO_SERVICE_CLASS))
ROW = "0208090c{time}1200000600000000{exponent}" + "06{energy:08x}" + "0600000000" * 3


class Meter:
    """Plays the meter's frames, each after the client's frame that it answers, and keeps what the client sent."""

    def __init__(self, connection: Connection, frames: list[tuple[bytes, bytes]]) -> None:
        self.connection, self.frames, self.sent = connection, frames, []
        self.now = 0.0

    def run(self, ticket: Ticket[Any]) -> Any:
        while not ticket.done:
            self.exchange()
        return ticket.result()

    def exchange(self) -> None:
        sent = b"".join(self.connection.data_to_send())
        assert sent, "the client has nothing to say and waits for nothing printed"
        self.sent.append(sent)
        expected, answer = self.frames[len(self.sent) - 1]
        assert sent.hex() == expected.hex()
        self.now += 0.01
        self.connection.receive_data(answer, self.now)


def session(name: str) -> list[tuple[bytes, bytes]]:
    """(client frame, server frame) pairs of a published session, without stray octets."""
    (record,) = (r for r in records("kamstrup_documented") if r["kind"] == "session" and name in r["source"])
    frames = [only_frame(bytes.fromhex(one["hex"])) for one in record["frames"]]
    return list(zip(frames[::2], frames[1::2], strict=True))


def only_frame(data: bytes) -> bytes:
    reader = FrameReader()
    reader.feed(data)
    frame = reader.next_frame()
    assert frame is not None
    return frame.encode()


def client(client_sap: int, server_sap: int, request: AssociationRequest) -> Connection:
    return Connection(HdlcClient(client_sap, server_sap), request, quirks=KAMSTRUP)


def finish(meter: Meter) -> None:
    """Release and disconnect: by the quirk only DISC goes out."""
    meter.run(meter.connection.release(meter.now))
    meter.connection.disconnect(meter.now)
    meter.exchange()
    assert meter.connection.closed == "requested"


def test_public_association_reads_the_meter_number() -> None:
    frames = session("public association")
    proposal = Conformance(0x00181D)
    connection = client(16, 1, AssociationRequest(conformance=proposal))
    meter = Meter(connection, frames)
    negotiated = meter.run(connection.open(meter.now))
    assert negotiated.max_send == 125
    assert negotiated.conformance == Conformance.GET | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    assert meter.run(connection.start(read.get(Data("1.1.0.0.1.255").value), meter.now)) == 12345679
    finish(meter)
    assert len(meter.sent) == len(frames)


def unprinted_blocks() -> Iterator[tuple[bytes, int]]:
    """Blocks 3 to 6, which are not printed: rows of our own in the printed layout (ten a block; seven in the last)."""
    energy = 3
    for block, count in ((3, 10), (4, 10), (5, 10), (6, 7)):
        rows = b""
        for row in range(count):
            time = f"07dd0a1905{4 + block:02x}{row:02x}00ff800080"
            rows += bytes.fromhex(ROW.format(time=time, exponent="0f01", energy=energy))
            energy += 1
        yield rows, block


def test_lls_association_reads_the_load_profile() -> None:
    """Blocks 1, 2 and 7 are as printed; 3 to 6 are filled in here, so that the 59 announced rows arrive.

    The link's sequence numbers of block 7 and of the request before it are printed, and follow from those between.
    """
    printed = session("LLS association")
    opening, (ask, first), (next_1, second), (next_6, seventh), closing = (
        printed[:2],
        printed[2],
        printed[3],
        printed[4],
        printed[5],
    )
    between = [request_and_answer(number - 1, rows) for rows, number in unprinted_blocks()]
    frames = [*opening, (ask, first), (next_1, second), *between, (next_6, seventh), closing]
    password = AssociationRequest(Mechanism.LLS, b"12345", conformance=Conformance(0x00FE1F))
    connection = client(18, 16, password)
    meter = Meter(connection, frames)
    negotiated = meter.run(connection.open(meter.now))
    assert Conformance.SELECTIVE_ACCESS in negotiated.conformance
    clock = Column(Clock.class_id, Obis("0.1.1.0.0.255"), 2, 0)
    start, end = bytes.fromhex("07dd0a19ff00000000800080"), bytes.fromhex("07dd0a1aff00000000800080")
    operation = read.get_encoded(ProfileGeneric("1.1.99.1.0.255").buffer, profiles.by_range(clock, start, end))
    rows = decode_rows(meter.run(connection.start(operation, meter.now))).rows
    assert len(rows) == 59
    assert rows[0][1:] == (0, 0x0500, 1, 3, 0, 0, 1)
    finish(meter)
    assert len(meter.sent) == len(frames)


def request_and_answer(number: int, rows: bytes) -> tuple[bytes, bytes]:
    """GET-next for block `number` and the answer with the block behind it, with the sequence numbers that follow."""
    from hdlc import Address, Frame, Kind

    meter, station = Address(16), Address(18)
    turn = number + 2
    ask = bytes.fromhex(f"e6e600c00281{number:08x}")
    answer = bytes.fromhex(f"e6e700c4028100{number + 1:08x}0082{len(rows):04x}") + rows
    return (
        Frame(Kind.I, meter, station, ask, turn - 1 & 7, turn - 1 & 7).encode(),
        Frame(Kind.I, station, meter, answer, turn - 1 & 7, turn & 7).encode(),
    )
