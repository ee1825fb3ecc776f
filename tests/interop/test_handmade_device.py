"""Two client libraries that this project did not write read, write and call a device made with `dlms.server`."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from dlms.data import DoubleLongUnsigned
from dlms.enums import Conformance
from obis import Obis
from tests.interop import device as d
from tests.interop.deviations import PeerError, Refused
from tests.interop.peers import PACKAGES, connected
from tests.interop.session import Session, place
from tests.interop.tags import elements, tags

pytestmark = pytest.mark.interop

ACCESS_DENIED, UNDEFINED = 3, 4
PEERS = tuple(PACKAGES)
SCHEMES = ("tcp", "hdlc")
CLIENTS = ((d.PUBLIC, None), (d.OPERATOR, d.PASSWORD))


@contextmanager
def reading(
    name: str,
    scheme: str,
    client: int = d.OPERATOR,
    password: str | None = d.PASSWORD,
    server: int = d.SERVER,
    **options: Any,
) -> Iterator[Session]:
    """A peer's association with a new device."""
    served = d.device()
    with (
        d.listening(served, scheme) as listener,
        connected(name, listener.url, client, server, password, **options) as peer,
    ):
        yield Session(served, peer, client, scheme)


@pytest.fixture(
    params=[(p, s, *c) for p in PEERS for s in SCHEMES for c in CLIENTS], ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}"
)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Both peers over both framings, without authentication and with a password."""
    with reading(*request.param) as found:
        yield found


def test_the_association_view_is_what_is_served(session: Session) -> None:
    served = session.served.associations[session.client, d.SERVER].objects
    found = session.deviations("view")
    seen: dict[Any, Any] = {}
    with found.at("object_list"):
        seen = session.peer.objects()
    found.equal("objects", sorted(seen), sorted((class_id, Obis(name)) for class_id, name in served))
    for key, one in served.items():
        came = seen[key]
        found.equal(f"{type(one.interface).__name__} version", came.version, one.interface.version)
        modes = {index: int(one.rights.access(index)) for index in one.interface.attributes}
        found.equal(f"{type(one.interface).__name__} attributes", dict(came.attributes), modes)
        allowed = {index: int(index in one.rights.methods) for index in one.interface.methods}
        found.equal(f"{type(one.interface).__name__} methods", dict(came.methods), allowed)
    found.check()


def test_the_object_list_has_the_types_of_the_book(session: Session) -> None:
    """Blue Book, class 15 version 0: the mode of an attribute is an enum, that of a method a boolean."""
    for element in elements(tags(session.peer.get(place(d.ASSOCIATION)).encoded)):
        _, (class_id, version, name, (_, (attributes, methods))) = element
        assert (class_id, version, name) == (18, 17, 9)
        assert elements(attributes) <= {(2, (15, 22, 0)), (2, (15, 22, (1, 15)))}
        assert elements(methods) <= {(2, (15, 3))}


def test_every_readable_attribute_has_its_value_and_its_tags(session: Session) -> None:
    found = session.deviations("values")
    mechanism = "60857405080201" if session.client == d.OPERATOR else "60857405080200"
    own = (
        d.Expected(d.ASSOCIATION, 3, None, (2, (15, 18)), [session.client, d.SERVER]),
        d.Expected(d.ASSOCIATION, 6, None, 9, bytes.fromhex(mechanism)),
    )
    for one in (*d.VALUES, *d.DERIVED, *own):
        with found.at(one.place):
            reading = session.peer.get(place(one.of, one.index))
            assert tags(reading.encoded) == one.tags, one.place
            found.equal(one.place, reading.value, one.plain)
    for of in {one.of for one in (*d.VALUES, *d.DERIVED)}:
        found.equal(f"{type(of).__name__}.logical_name", session.peer.get(place(of, 1)).value, bytes(of.instance))
    seen = {place(one.of, one.index) for one in (*d.VALUES, *d.DERIVED, *own)} | {place(d.ASSOCIATION, 5)}
    seen |= {place(one.of, 1) for one in (*d.VALUES, *d.DERIVED)}
    seen |= {place(d.PROFILE), place(d.ASSOCIATION)}  # in tests of their own
    granted = session.served.associations[session.client, d.SERVER].objects.values()
    readable = {place(one.interface, n) for one in granted for n, mode in one.rights.attributes.items() if mode & 1}
    assert seen == readable
    found.check()


def test_the_association_tells_what_was_agreed(session: Session) -> None:
    found = session.deviations("agreement")
    with found.at("bit-string"):
        reading = session.peer.get(place(d.ASSOCIATION, 5))
        assert tags(reading.encoded) == (2, (4, 18, 18, 17, 15, 9))
        if isinstance(reading.value, PeerError):
            raise reading.value
        bits, *others = reading.value
        assert len(bits) == 24
        assert int(bits, 2) & Conformance.GET
        assert int(bits, 2) & ~int(session.served.associations[session.client, d.SERVER].conformance) == 0
        assert others == [0xFFFF, 0xFFFF, 6, 0, b""]
    found.check()


def test_what_is_not_readable_or_not_there_is_refused_with_its_result(session: Session) -> None:
    for where, code in ((place(d.ASSOCIATION, 7), ACCESS_DENIED), ((1, Obis("9.9.9.9.9.9"), 2), UNDEFINED)):
        with pytest.raises(Refused) as refused:
            session.peer.get(where)
        assert refused.value.code == code
    assert session.peer.get(place(d.ENERGY)).value == 123456, "the association lives on"


def test_the_whole_buffer_comes_in_segments_or_in_one_piece(session: Session) -> None:
    reading = session.peer.get(place(d.PROFILE))
    assert reading.value == d.PLAIN_ROWS
    assert tags(reading.encoded) == (1, d.ROW)


@pytest.mark.parametrize(("first", "last"), [(0, 149), (10, 12), (149, 149), (5, 5)])
def test_rows_by_range(session: Session, first: int, last: int) -> None:
    found = session.deviations("rows")
    start, end = d.START + first * d.STEP, d.START + last * d.STEP
    with found.at("range"):
        found.equal("range", session.peer.rows_by_range(place(d.PROFILE), start, end), d.PLAIN_ROWS[first : last + 1])
    found.check()


def test_a_range_without_rows_is_empty(session: Session) -> None:
    end = d.START - datetime.timedelta(days=1)
    found = session.deviations("rows")
    with found.at("range"):
        found.equal("range", session.peer.rows_by_range(place(d.PROFILE), end - d.STEP, end), [])
    found.check()


@pytest.mark.parametrize(("first", "count"), [(1, 150), (1, 1), (60, 7), (150, 1)])
def test_rows_by_entry(session: Session, first: int, count: int) -> None:
    found = session.deviations("entries")
    with found.at("entries"):
        came = session.peer.rows_by_entry(place(d.PROFILE), first, count)
        found.equal("entries", came, d.PLAIN_ROWS[first - 1 : first - 1 + count])
    found.check()


def test_lists(session: Session) -> None:
    found = session.deviations(f"list {session.scheme}")
    unreadable = {"utf8-string", "bit-string", "bcd", "float32", "float64", "dont-care"}
    wanted = [one for one in d.VALUES if not one.name.startswith("delta") and one.name not in unreadable]
    for size, where in ((1, "one"), (2, "two"), (7, "seven"), (len(wanted), "all")):
        with found.at(where):
            came = session.peer.get_list([place(one.of, one.index) for one in wanted[:size]])
            for one, value in zip(wanted[:size], came, strict=True):
                found.equal(one.place, value, one.plain)
    found.check()


def test_one_refusal_in_a_list_leaves_the_others(session: Session) -> None:
    found = session.deviations("refusal in a list")
    places = [place(d.ENERGY), (1, Obis("9.9.9.9.9.9"), 2), place(d.DEMAND)]
    with found.at("refusal"):
        try:
            came: Sequence[Any] = session.peer.get_list(places)
        except Refused as refused:
            raise PeerError(f"one refusal hides the others: {refused}") from refused
        assert isinstance(came[1], Refused)
        found.equal("refusal", (came[0], came[1].code, came[2]), (123456, UNDEFINED, 4711))
    found.check()


def test_what_is_written_is_held_in_its_type(session: Session) -> None:
    session.check_writes(session.deviations("set"))


def test_a_refused_write_says_so_and_changes_nothing(session: Session) -> None:
    served = session.served
    with pytest.raises(Refused) as refused:
        session.peer.set(place(d.WRITABLE), 18, 5)
    assert refused.value.code == 12, "type-unmatched"
    assert served.store.get(d.WRITABLE.value) == 7


def test_a_method_is_carried_out(session: Session) -> None:
    session.peer.call(place(d.ENERGY, 1), 15, 0)
    assert session.held(d.ENERGY) == 0


def test_a_refused_method_says_so(session: Session) -> None:
    with pytest.raises(Refused) as refused:
        session.peer.call(place(d.DEMAND, 1), 15, 0)
    assert refused.value.code == ACCESS_DENIED


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PEERS)
def test_a_wrong_password_is_refused_and_the_right_one_still_works(name: str, scheme: str) -> None:
    with d.listening(d.device(), scheme) as listener:
        with (
            pytest.raises(PeerError, match=r"(?i)reject"),
            connected(name, listener.url, d.OPERATOR, d.SERVER, "Watt4not"),
        ):
            pass
        with connected(name, listener.url, d.OPERATOR, d.SERVER, d.PASSWORD) as peer:
            assert peer.get(place(d.ENERGY)).value == 123456


@pytest.mark.parametrize("max_pdu", [80, 200, 1024])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PEERS)
def test_long_answers_in_blocks(name: str, scheme: str, max_pdu: int) -> None:
    with reading(name, scheme, max_pdu=max_pdu) as session:
        peer = session.peer
        assert peer.get(place(d.LONG)) == (b"\x09\x82\x0c\x00" + d.LONG_VALUE, d.LONG_VALUE)
        assert peer.get(place(d.PROFILE)).value == d.PLAIN_ROWS
        assert peer.get(place(d.ENERGY)).value == 123456
        assert len(peer.objects()) == len({(one.of.class_id, one.of.instance) for one in (*d.VALUES, *d.DERIVED)})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_long_requests_and_lists_in_blocks(scheme: str) -> None:
    """SET and ACTION in blocks, and a list whose answer comes in blocks: dlms-cosem offers none of them."""
    with reading("gurux-dlms", scheme, d.SHORT_PDU, max_pdu=100) as session:
        peer, written = session.peer, d.LONG_VALUE[5:900]
        peer.set(place(d.LONG), 9, written)
        assert session.held(d.LONG) == written
        assert peer.get_list([place(d.LONG), place(d.ENERGY)]) == [written, 123456]
        peer.call(place(d.ASSOCIATION, 2), 9, written[::-1])
        assert session.held(d.LONG) == written[::-1]
        assert peer.get(place(d.LONG)).value == written[::-1]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_access_with_several_gets(scheme: str) -> None:
    """Only gurux-dlms has ACCESS."""
    with reading("gurux-dlms", scheme) as session:
        wanted = [place(d.ENERGY), (1, Obis("9.9.9.9.9.9"), 2), place(d.DEMAND)]
        came = session.peer.access(wanted)  # type: ignore[attr-defined]  # the other peer has no such verb
        assert (came[0], came[2]) == (123456, 4711)
        assert isinstance(came[1], Refused)
        assert came[1].code == UNDEFINED
        assert session.peer.get(place(d.ENERGY)).value == 123456


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gurux_secure_client_without_ciphering(scheme: str) -> None:
    with reading("gurux-dlms", scheme, secure=True) as session:
        assert session.peer.get(place(d.ENERGY)).value == 123456
        assert session.peer.get(place(d.PROFILE)).value == d.PLAIN_ROWS


@pytest.mark.parametrize(("max_info", "size"), [(32, 2), (128, 4), (512, 2)])
def test_gurux_negotiates_frames_and_names_the_physical_device(max_info: int, size: int) -> None:
    server = d.SERVER << (7 if size == 2 else 14) | d.PHYSICAL
    with reading("gurux-dlms", "hdlc", server=server, address_size=size, max_info=max_info) as session:
        assert session.peer.get(place(d.LONG)).value == d.LONG_VALUE
        assert session.peer.get(place(d.PROFILE)).value == d.PLAIN_ROWS


def test_dlms_cosem_names_the_physical_device() -> None:
    with reading("dlms-cosem", "hdlc", physical=d.PHYSICAL) as session:
        assert session.peer.get(place(d.PROFILE)).value == d.PLAIN_ROWS


def test_what_one_peer_writes_the_other_reads() -> None:
    served = d.device()
    with (
        d.listening(served, "tcp") as wrapper,
        d.listening(served, "hdlc") as line,
        connected("gurux-dlms", wrapper.url, d.OPERATOR, d.SERVER, d.PASSWORD) as writer,
        connected("dlms-cosem", line.url, d.PUBLIC, d.SERVER) as reader,
    ):
        writer.set(place(d.WRITABLE), 6, 987654321)
        assert reader.get(place(d.WRITABLE)).value == 987654321
        assert served.store.get(d.WRITABLE.value) == DoubleLongUnsigned(987654321)
