"""Two client libraries that this project did not write read every attribute of the emulated Kamstrup 382."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import meters
from dlms.data import decode
from dlms.interface import AttributeRef
from dlms.server import ServerAssociation
from dlms.typed import DataType
from meters.emulator import RunningMeter
from meters.model import AssociationModel
from meters.objects import Row
from meters.run import Running
from obis import Obis
from tests.interop.deviations import Deviations, PeerError, Refused
from tests.interop.peer import Peer, Place, Reading, Seen
from tests.interop.peers import PACKAGES, connected
from tests.interop.tags import tags

pytestmark = pytest.mark.interop

START = datetime.datetime(2024, 2, 13, 16, 35)
"""UTC; time stands still there, after two days of life."""
DAYS = 2
NORMAL_TIME = datetime.timedelta(hours=1)
SCHEMES = ("hdlc", "tcp")
TABLE = Path(__file__).resolve().parents[3] / "shared" / "facts" / "kamstrup_objects.csv"
"""The manufacturer's object table, kept beside the checkout."""
TAGS_BY_NAME = {
    "double-long-unsigned": 6,
    "octet-string": 9,
    "visible-string": 10,
    "integer": 15,
    "unsigned": 17,
    "long-unsigned": 18,
}
CSV_TAGS = {"Unsigned8": 17, "Unsigned16": 18, "Unsigned32": 6, "Visible-String": 10, "Octet-String": 9}
BUFFER = 2
LOAD_PROFILE, BILLING = Obis("1.1.99.1.0.255"), Obis("1.1.98.1.0.255")
THRESHOLD = Obis("1.1.128.0.13.255")


@dataclass(frozen=True)
class Read:
    """All that a peer read in one association, and what the server held."""

    peer: str
    association: str
    granted: ServerAssociation
    meter: RunningMeter
    view: dict[tuple[int, Obis], Seen]
    readings: dict[Place, Reading | PeerError]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A meter on which nothing moves any more, on HDLC and on the wrapper."""
    listen = [f"{scheme}://127.0.0.1:0" for scheme in SCHEMES]
    with meters.run("kamstrup-382", start=START, history_days=DAYS, speed=0, listen=listen) as found:
        yield found


def associated(running: Running, peer: str, scheme: str, association: str) -> Any:
    """The context manager of an association with the meter."""
    of = model_of(running, association)
    options: dict[str, Any] = {"releases": False}
    if peer == "dlms-cosem":
        options["clock"] = str(running.emulator.model.clock)
    url = running.urls[SCHEMES.index(scheme)]
    return connected(peer, url, of.client_sap, of.server_sap, of.secret.decode() or None, **options)


def model_of(running: Running, association: str) -> AssociationModel:
    return next(one for one in running.emulator.model.associations if one.name == association)


@pytest.fixture(
    scope="module",
    params=[(peer, scheme, of) for peer in PACKAGES for scheme in SCHEMES for of in ("public", "optical")],
    ids="-".join,
)
def read(request: pytest.FixtureRequest, running: Running) -> Read:
    """Everything that the association view says is readable, read."""
    peer_name, scheme, association = request.param
    of = model_of(running, association)
    granted = next(
        one
        for one in running.emulator.table.associations
        if (one.client_sap, one.server_sap) == (of.client_sap, of.server_sap)
    )
    with associated(running, peer_name, scheme, association) as peer:
        view = peer.objects()
        places = [(*key, index) for key, seen in view.items() for index, mode in seen.attributes.items() if mode & 1]
        readings = {place: _reading(peer, place) for place in places}
    return Read(peer_name, association, granted, running.emulator.meter(0), view, readings)


def _reading(peer: Peer, place: Place) -> Reading | PeerError:
    try:
        return peer.get(place)
    except PeerError as fault:
        return fault


def held(meter: RunningMeter, place: Place) -> Any:
    """What the server holds, as a plain value; rows where it is a buffer."""
    value = meter.get(AttributeRef(*place))
    if place[0] == 7 and place[2] == BUFFER:
        value = [decode(row) for row in value.encode(value.span(), None)]
    return plain(value)


def plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    return next(kind(value) for kind in (int, bytes, str) if isinstance(value, kind))


def tag_of(of: DataType) -> int:
    """The tag of a declared type, by the standard's name for it."""
    return TAGS_BY_NAME[of.describe().partition("(")[0]]


def test_the_association_view_is_that_of_the_model(read: Read) -> None:
    assert set(read.view) == set(read.granted.objects)
    assert len(read.view) == (14 if read.granted.client_sap == 16 else 166)
    found = Deviations(read.peer, f"k382 {read.association} view")
    for key, served in read.granted.objects.items():
        of, seen = served.interface, read.view[key]
        assert seen.version == of.version
        assert dict(seen.attributes) == {index: int(served.rights.access(index)) for index in of.attributes}
        allowed = {index: int(index in served.rights.methods) for index in of.methods}
        found.equal(f"{type(of).__name__} methods", dict(seen.methods), allowed)
    found.check()


def test_every_readable_attribute_is_read_and_equals_what_the_meter_holds(read: Read) -> None:
    found = Deviations(read.peer, f"k382 {read.association} values")
    own = {15, 17}
    for place, reading in read.readings.items():
        class_id, instance, index = place
        if isinstance(reading, PeerError):
            found.equal(f"class {class_id} attribute {index}", reading, None)
        elif index == 1:
            assert reading.value == bytes(instance), place
        elif class_id not in own:
            wanted = held(read.meter, place)
            found.equal("empty array" if wanted == [] else f"{instance}:{index}", reading.value, wanted)
    found.check()
    served = read.granted.objects.values()
    readable = sum(one.rights.access(index).readable for one in served for index in one.interface.attributes)
    assert len(read.readings) == readable


def test_association_and_logical_devices_say_who_is_who(read: Read) -> None:
    granted, name = read.granted, read.meter.model.ldn(read.meter.nameplate)
    values = {
        (place[0], place[2]): reading.value for place, reading in read.readings.items() if isinstance(reading, Reading)
    }
    assert values[15, 3] == [granted.client_sap, granted.server_sap]
    assert values[15, 8] == 2
    assert values[17, 2] == [[1, name], [16, name]]


def test_every_value_has_the_tags_of_the_model(read: Read) -> None:
    for place, reading in read.readings.items():
        assert isinstance(reading, Reading)
        row = read.meter.model.by_obis[place[1]]
        came = tags(reading.encoded)
        if isinstance(row, Row) and place[2] == 2:
            assert came == tag_of(row.type), place
        elif place[2] == 3 and place[0] in (3, 4):
            assert came == (2, (15, 22)), place
        elif place[2] == 1 or (place[0], place[2]) in ((4, 5), (8, 2)):
            assert came == 9, place
        elif place[0] == 7 and place[2] == BUFFER and reading.value:
            columns = read.meter.model.columns(row)
            assert came == (1, (2, tuple(tag_of(column.type) for column in columns))), place


def test_every_value_has_the_tag_of_the_manufacturers_table(read: Read) -> None:
    if not TABLE.exists():
        pytest.skip(f"the object table {TABLE.name} is not beside this checkout")
    with TABLE.open(encoding="utf-8", newline="") as lines:
        types = {Obis(line["obis"]): line["type"] for line in csv.DictReader(lines) if line["class_id"] in "134"}
    checked = 0
    for (class_id, instance, index), reading in read.readings.items():
        if class_id in (1, 3, 4) and index == 2:
            assert isinstance(reading, Reading)
            assert reading.encoded[0] == CSV_TAGS[types[instance]], f"{instance}: {types[instance]}"
            checked += 1
    of_these = [one for key, one in read.granted.objects.items() if key[0] in (1, 3, 4)]
    assert checked == sum(one.rights.access(2).readable for one in of_these) >= 10


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PACKAGES)
def test_the_load_profile_by_range(running: Running, name: str, scheme: str) -> None:
    place = (7, LOAD_PROFILE, BUFFER)
    rows = held(running.emulator.meter(0), place)
    day = START + NORMAL_TIME - datetime.timedelta(days=1)
    first, last = (day.replace(hour=hour, minute=15) for hour in (6, 18))
    wanted = [row for row in rows if _face(first) <= row[0][:4] + row[0][5:8] <= _face(last)]
    assert len(wanted) == 49
    with associated(running, name, scheme, "optical") as peer:
        assert peer.rows_by_range(place, first, last) == wanted
        assert peer.rows_by_range(place, first, first) == wanted[:1]


def _face(moment: datetime.datetime) -> bytes:
    date = moment.year.to_bytes(2, "big") + bytes((moment.month, moment.day))
    return date + bytes((moment.hour, moment.minute, moment.second))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_load_profile_by_entry_from_the_newest(running: Running, scheme: str) -> None:
    """Only gurux-dlms can ask for entries."""
    place = (7, LOAD_PROFILE, BUFFER)
    rows = held(running.emulator.meter(0), place)
    with associated(running, "gurux-dlms", scheme, "optical") as peer:
        assert peer.rows_by_entry(place, 0, 1) == rows[-1:]
        assert peer.rows_by_entry(place, 1, 30) == rows[-2:-32:-1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_action_which_was_not_granted_is_answered_and_the_association_lives_on(running: Running, scheme: str) -> None:
    with associated(running, "gurux-dlms", scheme, "optical") as peer:
        with pytest.raises(PeerError, match=r"(?i)service not allowed"):
            peer.call((7, BILLING, 2), 15, 0)
        assert peer.get((1, THRESHOLD, 2)).encoded[0] == 17


def test_what_one_peer_sets_the_other_reads_and_the_public_may_not(running: Running) -> None:
    place = (1, THRESHOLD, 2)
    with (
        associated(running, "gurux-dlms", "hdlc", "optical") as one,
        associated(running, "dlms-cosem", "tcp", "optical") as other,
        associated(running, "dlms-cosem", "hdlc", "public") as public,
    ):
        before = other.get(place).value
        one.set(place, 17, 63)
        assert other.get(place) == (b"\x11\x3f", 63)
        other.set(place, 17, before)
        assert one.get(place).value == before
        with pytest.raises(Refused) as refused:
            one.set(place, 17, 200)
        assert refused.value.code == 250, "other-reason: beyond 80 A"
        with pytest.raises(Refused):
            public.get(place)
