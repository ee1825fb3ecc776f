"""gurux-dlms with short names, unmodified, against our server: association, object list, Read, Write, methods.

Its own conformance proposal for short names has no block transfer, and its reader of blocks does not run in Python
(it calls methods that its reply object does not have), so that long answers have to fit in one APDU here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

gurux_dlms = pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from gurux_dlms import GXByteBuffer, GXReplyData  # noqa: E402
from gurux_dlms.enums import Authentication, DataType, InterfaceType  # noqa: E402
from gurux_dlms.GXDLMSClient import GXDLMSClient  # noqa: E402
from gurux_dlms.secure import GXDLMSSecureClient  # noqa: E402

from dlms.endpoint import listen, server_framing  # noqa: E402
from dlms.enums import AccessResult  # noqa: E402
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
from tests.interop.line import Line  # noqa: E402

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
