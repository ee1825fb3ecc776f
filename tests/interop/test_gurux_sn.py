"""gurux-dlms with short names, unmodified, against our server: association, object list, Read, Write, methods.

Its own conformance proposal for short names has no block transfer, and its reader of blocks does not run in Python
(it calls methods that its reply object does not have), so that long answers have to fit in one APDU here.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest

gurux_dlms = pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from gurux_dlms import GXByteBuffer, GXReplyData  # noqa: E402
from gurux_dlms.enums import Authentication, Conformance, DataType, InterfaceType  # noqa: E402
from gurux_dlms.GXDLMSClient import GXDLMSClient  # noqa: E402
from gurux_dlms.secure import GXDLMSSecureClient  # noqa: E402

from dlms.endpoint import listen, server_framing  # noqa: E402
from dlms.enums import AccessResult  # noqa: E402
from dlms.interface import Interface  # noqa: E402
from dlms.serve import serve  # noqa: E402
from dlms.server import Device, MemoryStore, Session  # noqa: E402
from obis import Obis  # noqa: E402
from tests.dlms.short_name_meter import (  # noqa: E402
    ASSOCIATION,
    CLOCK,
    ENERGY,
    HIDDEN,
    LONG,
    NAME,
    OBJECTS,
    OPERATOR,
    PASSWORD,
    PROFILE,
    PUBLIC,
    ROWS,
    SERVER,
    TEXT,
    at,
    device,
)
from tests.interop import device as d  # noqa: E402
from tests.interop.deviations import Deviations, PeerError  # noqa: E402
from tests.interop.deviations import Refused as PeerRefused  # noqa: E402
from tests.interop.gurux import GuruxPeer  # noqa: E402
from tests.interop.line import Line  # noqa: E402
from tests.interop.peers import connected  # noqa: E402
from tests.interop.session import Session as InteropSession  # noqa: E402
from tests.interop.session import place  # noqa: E402
from tests.interop.tags import tags  # noqa: E402

pytestmark = pytest.mark.interop


class Refused(Exception):
    """The server refused, and the peer said so."""


class ShortNamePeer:
    """An association with short names held by gurux-dlms; its objects are those that it made of the object list.

    `prepare` may change its client, a secure one then, before it says anything.
    """

    def __init__(
        self, url: str, client: int, password: str | None = None, prepare: Callable[[Any], None] | None = None
    ) -> None:
        interface = InterfaceType.HDLC if url.startswith("hdlc") else InterfaceType.WRAPPER
        authentication = Authentication.NONE if password is None else Authentication.LOW
        kind = GXDLMSClient if prepare is None else GXDLMSSecureClient
        self.client = kind(False, client, SERVER, authentication, password, interface)
        if prepare is not None:
            prepare(self.client)
        self._line = Line(url)
        try:
            self._open()
        except BaseException:
            self._line.close()
            raise

    def _open(self) -> None:
        if snrm := self.client.snrmRequest():
            self.client.parseUAResponse(self.exchange([snrm]).data)
        self.client.parseAareResponse(self.exchange(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            proof = self.exchange(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(proof.data)
        listed = self.exchange([self.client.getObjectsRequest()])
        self.listed = {(int(one.objectType), Obis(one.logicalName)): one for one in self.parsed(listed)}

    def exchange(self, messages: Any) -> Any:
        """Send what belongs to one service and put the answer together, segments included."""
        reply = GXReplyData()
        for message in messages:
            self._line.send(bytes(message))
            self._receive(reply)
            while reply.isMoreData():
                self._line.send(bytes(self.client.receiverReady(reply)))
                self._receive(reply)
        if reply.error:
            raise Refused(int(reply.error))
        return reply

    def _receive(self, reply: Any) -> None:
        received = GXByteBuffer(self._line.receive())
        while not self.client.getData(received, reply):
            received.set(self._line.receive())

    def close(self) -> None:
        """RLRQ over the wrapper; over HDLC DISC alone, as its RLRQ with short names loses count of the frames."""
        try:
            over_hdlc = self.client.interfaceType == InterfaceType.HDLC
            self.exchange([self.client.disconnectRequest()] if over_hdlc else self.client.releaseRequest())
        finally:
            self._line.close()

    def parsed(self, reply: Any) -> list[Any]:
        """The objects in an object list."""
        return list(self.client.parseObjects(reply.data, False, False))

    def read(self, of: Any, index: int) -> Any:
        """One attribute of one of our objects, through its own object."""
        item = self.listed[of.class_id, of.instance]
        return self.exchange(self.client.read(item, index)).value

    def write(self, of: Any, tag: DataType, value: Any) -> None:
        """Write the value of a Data object."""
        item = self.listed[of.class_id, of.instance]
        item.value = value
        item.setDataType(2, tag)
        self.exchange(self.client.write(item, 2))

    def invoke(self, of: Any, index: int, tag: DataType, value: Any) -> None:
        """Call a method."""
        self.exchange(self.client.method(self.listed[of.class_id, of.instance], index, value, tag))


@pytest.fixture(params=["tcp", "hdlc"])
def url_and_device(request: pytest.FixtureRequest) -> Iterator[tuple[str, Device]]:
    """Our server on a free port of the loopback."""
    served, url = device(), f"{request.param}://127.0.0.1:0"
    options: dict[str, Any] = {} if request.param == "tcp" else {"server_saps": frozenset((SERVER,))}
    listener = listen(url, lambda medium: serve(Session({None: served}, server_framing(url, **options)), medium))
    yield listener.url, served
    listener.close()


@pytest.fixture
def peer(url_and_device: tuple[str, Device]) -> Iterator[ShortNamePeer]:
    """An association without password."""
    with contextlib.closing(ShortNamePeer(url_and_device[0], PUBLIC)) as made:
        yield made


def test_it_finds_every_object_under_the_name_that_the_server_gave(
    peer: ShortNamePeer, url_and_device: tuple[str, Device]
) -> None:
    served = url_and_device[1]
    names = served.base_names(served.associations[PUBLIC, SERVER]).by_object
    assert {key: one.shortName for key, one in peer.listed.items()} == names
    assert names.keys() == {(one.class_id, one.instance) for one in OBJECTS}


def test_it_reads_what_the_server_holds(peer: ShortNamePeer) -> None:
    assert peer.read(ENERGY, 2) == 1234
    assert peer.read(TEXT, 2) == "hello"
    assert bytes(peer.read(ENERGY, 1)) == ENERGY.instance
    assert bytes(peer.read(LONG, 2)) == bytes(range(256)) * 4
    assert bytes(peer.read(NAME, 2)) == b"TST0000000000001"
    assert list(peer.read(ENERGY, 3)) == [1, 30]


def test_it_reads_a_list(peer: ShortNamePeer) -> None:
    items = [(peer.listed[3, ENERGY.instance], 2), (peer.listed[1, TEXT.instance], 2)]
    [messages] = peer.client.readList(items)
    assert peer.exchange(messages).value == [1234, "hello"]


def test_it_writes(peer: ShortNamePeer, url_and_device: tuple[str, Device]) -> None:
    store = url_and_device[1].store
    assert isinstance(store, MemoryStore)
    peer.write(TEXT, DataType.STRING, "written")
    assert store.values[TEXT.value] == "written"


def test_it_reads_a_profile_whole_and_by_entry(peer: ShortNamePeer) -> None:
    item = peer.listed[7, PROFILE.instance]
    peer.read(PROFILE, 3)
    rows = peer.exchange(peer.client.read(item, 2)).value
    assert [row[1] for row in rows] == [1000 + row for row in range(ROWS)]
    picked = peer.exchange(peer.client.readRowsByEntry(item, 3, 2)).value
    assert [(bytes(row[0]), row[1]) for row in picked] == [(at(2), 1002), (at(3), 1003)]


def test_it_understands_refusals_and_goes_on(peer: ShortNamePeer) -> None:
    for what, code in (
        (lambda: peer.read(HIDDEN, 2), AccessResult.READ_WRITE_DENIED),
        (lambda: peer.read(CLOCK, 7), AccessResult.OBJECT_UNAVAILABLE),
        (lambda: peer.write(TEXT, DataType.INT8, 1), AccessResult.TYPE_UNMATCHED),
        (lambda: peer.invoke(ASSOCIATION, 6, DataType.OCTET_STRING, b"x"), AccessResult.OBJECT_UNAVAILABLE),
    ):
        with pytest.raises(Refused) as refusal:
            what()
        assert refusal.value.args == (code,)
    assert peer.read(TEXT, 2) == "hello"


def test_it_changes_its_password_by_a_method(url_and_device: tuple[str, Device]) -> None:
    """Its table of method offsets is right for few classes; Association SN is one of them."""
    url = url_and_device[0]
    with contextlib.closing(ShortNamePeer(url, OPERATOR, PASSWORD.decode())) as peer:
        peer.invoke(ASSOCIATION, 5, DataType.OCTET_STRING, b"new")
    with contextlib.closing(ShortNamePeer(url, OPERATOR, "new")) as peer:
        assert peer.read(ENERGY, 2) == 1234


# --- the device with every type of Data, and all that its client can ask ---------------------------------------------


class Read(InteropSession):
    """An association of its client with a new device of short names."""

    def deviations(self, scope: str) -> Deviations:
        """An empty list under a heading of short names."""
        return Deviations(self.peer.name, f"short names {scope}")


@contextlib.contextmanager
def reading(scheme: str, client: int = d.OPERATOR, password: str | None = d.PASSWORD, **options: Any) -> Iterator[Read]:
    """Its association, over the wrapper or HDLC."""
    served = d.short_name_device()
    with (
        d.listening(served, scheme) as listener,
        connected("gurux-dlms", listener.url, client, d.SERVER, password, short_names=True, **options) as peer,
    ):
        assert isinstance(peer, GuruxPeer)
        yield Read(served, peer, client, scheme)


@pytest.fixture(
    params=[(s, c, p) for s in ("tcp", "hdlc") for c, p in ((d.PUBLIC, None), (d.OPERATOR, d.PASSWORD))],
    ids=lambda p: f"{p[0]}-{p[1]}",
)
def read(request: pytest.FixtureRequest) -> Iterator[Read]:
    """Both framings, without authentication and with a password."""
    with reading(*request.param) as found:
        yield found


def test_it_sees_the_objects_under_their_short_names_and_rights(read: Read) -> None:
    granted = read.served.associations[read.client, d.SERVER]
    names = read.served.base_names(granted).by_object
    assert read.peer.short_names() == names
    signed = {key: base - 0x1_0000 if base > 0x7FFF else base for key, base in names.items()}
    listed = read.peer.get(place(d.SHORT_NAMES, 2)).value
    assert sorted(listed) == sorted(
        [base, class_id, granted.objects[class_id, instance].interface.version, bytes(instance)]
        for (class_id, instance), base in signed.items()
    )
    rights = {row[0]: row[1:] for row in read.peer.get(place(d.SHORT_NAMES, 3)).value}
    for key, one in granted.objects.items():
        attributes, methods = rights.pop(signed[key])
        assert {index: mode for index, mode, _ in attributes} == {
            index: int(one.rights.access(index)) for index in one.interface.attributes
        }
        assert dict(methods) == {index: int(index in one.rights.methods) for index in one.interface.methods}
    assert rights == {}


def test_it_reads_every_attribute_with_its_value_and_its_tags(read: Read) -> None:
    found = read.deviations("values")
    readable = [one for one in (*d.VALUES, *d.DERIVED) if one.of != d.ASSOCIATION]
    for one in readable:
        with found.at(one.place):
            reading = read.peer.get(place(one.of, one.index))
            assert tags(reading.encoded) == one.tags, one.place
            found.equal(one.place, reading.value, one.plain)
    for of in {one.of for one in readable} | {d.SHORT_NAMES}:
        found.equal(f"{type(of).__name__}.logical_name", read.peer.get(place(of, 1)).value, bytes(of.instance))
    seen = {(one.of.class_id, one.of.instance, one.index) for one in readable}
    seen |= {place(of, 1) for of in {one.of for one in readable} | {d.SHORT_NAMES}}
    seen |= {place(d.PROFILE), place(d.SHORT_NAMES, 2), place(d.SHORT_NAMES, 3)}  # in tests of their own
    granted = read.served.associations[read.client, d.SERVER]
    assert seen == {place(one.interface, index) for one in granted.objects.values() for index in one.rights.attributes}
    found.check()


def test_it_reads_the_whole_buffer(read: Read) -> None:
    reading = read.peer.get(place(d.PROFILE))
    assert reading.value == d.PLAIN_ROWS
    assert tags(reading.encoded) == (1, d.ROW)


@pytest.mark.parametrize(("first", "last"), [(0, 149), (10, 12), (149, 149), (5, 5)])
def test_it_reads_rows_by_range(read: Read, first: int, last: int) -> None:
    start, end = d.START + first * d.STEP, d.START + last * d.STEP
    assert read.peer.rows_by_range(place(d.PROFILE), start, end) == d.PLAIN_ROWS[first : last + 1]


def test_a_range_without_rows_is_empty(read: Read) -> None:
    end = d.START - datetime.timedelta(days=1)
    assert read.peer.rows_by_range(place(d.PROFILE), end - d.STEP, end) == []


@pytest.mark.parametrize(("first", "count"), [(1, 150), (1, 1), (60, 7), (150, 1)])
def test_it_reads_rows_by_entry(read: Read, first: int, count: int) -> None:
    came = read.peer.rows_by_entry(place(d.PROFILE), first, count)
    assert came == d.PLAIN_ROWS[first - 1 : first - 1 + count]


def test_it_reads_lists(read: Read) -> None:
    found = read.deviations(f"list {read.scheme}")
    nothing = ("null-data", "dont-care")  # two octets further it is lost
    unreadable = ("utf8-string", *nothing, *(one.name for one in d.VALUES if one.name.startswith("delta")))
    wanted = [one for one in d.VALUES if one.name not in unreadable]
    for size, where in ((1, "one"), (2, "two"), (7, "seven"), (len(wanted), "all")):
        with found.at(where):
            came = read.peer.get_list([place(one.of, one.index) for one in wanted[:size]])
            found.equal(where, came, [one.plain for one in wanted[:size]])
    for name in nothing:
        with found.at(name):
            came = read.peer.get_list([place(d.scalar(name)), place(d.ENERGY)])
            found.equal(name, came, [None, 123456])
    found.check()


def test_what_it_writes_is_held_in_its_type(read: Read) -> None:
    read.check_writes(read.deviations("set"))


def test_a_refused_write_changes_nothing_and_says_so(read: Read) -> None:
    with pytest.raises(PeerRefused) as refused:
        read.peer.set(place(d.WRITABLE), 18, 5)
    assert refused.value.code == AccessResult.TYPE_UNMATCHED
    assert read.held(d.WRITABLE) == 7
    assert read.peer.get(place(d.WRITABLE)).value == 7


CALLS: tuple[tuple[Interface, int, int, int], ...] = (
    (d.ENERGY, 1, 15, 0),
    (d.PROFILE, 1, 15, 1),
    (d.PROFILE, 2, 15, 2),
    (d.CLOCK, 1, 15, 3),
    (d.CLOCK, 6, 16, 4),
)
"""Object, method, type and value of its parameter."""


@pytest.mark.parametrize("scheme", ["tcp", "hdlc"])
def test_the_methods_that_it_calls_are_carried_out(scheme: str) -> None:
    """Its table of where the methods of a class begin has few lines, some of them wrong."""
    found = Deviations("gurux-dlms", "short names calls")
    for of, index, tag, value in CALLS:
        where = f"{type(of).__name__} {index}"
        with found.at(where), reading(scheme) as open_one:
            try:
                open_one.peer.call(place(of, index), tag, value)
            except PeerRefused as refused:
                raise PeerError(f"it names something else: {refused}") from refused
            came = open_one.held(d.ENERGY) if of == d.ENERGY else open_one.held(d.LONG)
            found.equal(where, came, 0 if of == d.ENERGY else bytes((index, value)))
    found.check()


@pytest.mark.parametrize("scheme", ["tcp", "hdlc"])
def test_long_answers_in_blocks(scheme: str) -> None:
    """It has to propose them, and a size that the object list, which it reads first, does not fit."""

    def proposing(client: Any) -> None:
        client.proposedConformance |= Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ

    found = Deviations("gurux-dlms", "short names blocks")
    with found.at("object list"), reading(scheme, max_pdu=200, prepare=proposing) as found_here:
        assert found_here.peer.get(place(d.LONG)).value == d.LONG_VALUE
    found.check()


def test_a_wrong_password_is_refused_and_the_right_one_still_works() -> None:
    with d.listening(d.short_name_device(), "tcp") as listener:
        with (
            pytest.raises(PeerError, match=r"(?i)reject"),
            connected("gurux-dlms", listener.url, d.OPERATOR, d.SERVER, "Watt4not", short_names=True),
        ):
            pass
        with connected("gurux-dlms", listener.url, d.OPERATOR, d.SERVER, d.PASSWORD, short_names=True) as peer:
            assert peer.get(place(d.ENERGY)).value == 123456
