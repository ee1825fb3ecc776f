"""The blocking client against devices that are served, and against meters that are silent, odd or gone."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.acse import Aare, Diagnostic
from dlms.apdu import (
    DataNotification,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
)
from dlms.apdu.attribute import ResultBlock
from dlms.client import Client, connect
from dlms.codec import Refusal, encode
from dlms.data import DoubleLongUnsigned, Float64, Integer, LongUnsigned, Unsigned
from dlms.enums import Conformance, Mechanism
from dlms.errors import (
    AccessError,
    AssociationRefused,
    DlmsError,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
)
from dlms.ic import Register
from dlms.operations.associate import LN_CONFORMANCE
from dlms.operations.profiles import Entries
from dlms.trace import Trace, to_logging
from tests.dlms.bench import accepting
from tests.dlms.served import Script, memory_name, served
from tests.dlms.server.devices import (
    ASSOCIATION,
    CLOCK,
    ENERGY,
    EVERYTHING,
    LONG,
    NAME,
    OBJECTS,
    PROFILE,
    READER,
    START,
    STEP,
    WRITER,
    at,
    device,
    rows,
    store,
)

SOON_S = 0.05
"""For meters that never answer: how long a test waits for nothing."""
ACCEPT = encode(accepting())
URLS = ("memory", "tcp://127.0.0.1:0", "hdlc://127.0.0.1:0")


def value(number: int, of: Any) -> bytes:
    """The answer to the request with this invoke-id."""
    return encode(GetResponseNormal(0xC0 | number, of))


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest) -> str:
    return memory_name() if request.param == "memory" else request.param


def test_everything_a_reader_does(url: str) -> None:
    with served(url) as where, connect(where) as client:
        assert client.get(ENERGY.value) == DoubleLongUnsigned(1234)
        assert str(client.read(ENERGY)) == "12340 Wh"
        assert client.get(LONG.value) == bytes(range(256)) * 3
        first, second = client.get_many([ENERGY.value, Register("9.9.9.9.9.9").value])
        assert (first, second.result) == (1234, 4)
        assert [one.instance for one in client.objects()] == [one.instance for one in OBJECTS]
        assert client.snapshot(PROFILE)["entries_in_use"] == 20
        assert "buffer" not in client.snapshot(PROFILE)
        found = client.profile(PROFILE)
        assert found.rows() == rows(20)
        assert found.names[:2] == ["time", "1.0.1.8.0.255 [Wh]"]
        assert client.profile(PROFILE, START + 3 * STEP, START + 5 * STEP).rows() == rows(20)[3:6]
        assert client.profile(str(PROFILE.instance), entries=Entries(2, 3)).rows() == rows(20)[1:3]
        with pytest.raises(AccessError, match="read-write-denied"):
            client.set(ENERGY.value, DoubleLongUnsigned(1))


def test_everything_a_writer_does(url: str) -> None:
    held = device()
    with served(url, held) as where, connect(where, client=WRITER, password="98765") as client:
        client.set(ENERGY.value, DoubleLongUnsigned(7))
        assert client.get(ENERGY.value) == 7
        client.set(CLOCK.time, datetime.datetime(2030, 1, 1))
        assert client.call(ENERGY.reset) is None
        outcomes = client.set_many([(NAME.value, b"n"), (ENERGY.value, Unsigned(1))])
        assert [one and one.result for one in outcomes] == [None, 12]
        client.set(LONG.value, bytes(5000))
        assert client.get(LONG.value) == bytes(5000)
        with pytest.raises(LocalProtocolError):
            client.set(CLOCK.time_zone, "text")
    assert held.store.get(NAME.value) == b"n"


@given(size=st.integers(30, 300), number=st.integers(0, 60))
def test_a_client_with_little_room_reads_the_same(size: int, number: int) -> None:
    with served(memory_name(), device(store(number))) as where, connect(where, max_receive=size) as client:
        assert client.profile(PROFILE).rows() == rows(number)
        assert client.get_many([LONG.value, ENERGY.value]) == [bytes(range(256)) * 3, 1234]


@given(st.sets(st.sampled_from(sorted(LN_CONFORMANCE))))
def test_what_was_not_negotiated_is_done_otherwise_or_refused(bits: set[Conformance]) -> None:
    conformance = Conformance.GET | Conformance(sum(bits))
    with served(memory_name()) as where, connect(where, conformance=conformance) as client:
        assert client.get_many([ENERGY.value, NAME.value]) == [1234, b"TST0000000000001"]
        assert client.profile(PROFILE, START, START + STEP).rows() == rows(2)
        assert client.profile(PROFILE, entries=Entries(2, 3)).rows() == rows(20)[1:3]


@given(size=st.integers(40, 120), receive=st.integers(60, 200), number=st.integers(0, 30))
def test_long_and_short_exchanges_mixed_in_general_blocks(size: int, receive: int, number: int) -> None:
    """Requests and answers longer than the other end receives, in one association with others that are not."""
    general = Conformance.GENERAL_BLOCK_TRANSFER
    held = device(store(number), conformance=EVERYTHING | general, max_receive=receive)
    conformance = (LN_CONFORMANCE | general) & ~Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    with (
        served(memory_name(), held) as url,
        connect(
            url, client=WRITER, password="98765", max_receive=size, conformance=conformance, timeout_s=0.5
        ) as client,
    ):
        for turn in range(3):
            assert client.get(ENERGY.value) == 1234
            assert client.get(LONG.value) == bytes(range(256)) * 3
            client.set(NAME.value, bytes((turn,)) * 500)
            assert client.get_many([NAME.value, ENERGY.value]) == [bytes((turn,)) * 500, 1234]
            assert client.profile(PROFILE).rows() == rows(number)
            client.call(ENERGY.reset)


def test_two_clients_of_one_device(url: str) -> None:
    with served(url) as where, connect(where) as one, connect(where, client=READER, password="12345") as other:
        assert one.get(LONG.value) == other.get(LONG.value)


# --- ending -------------------------------------------------------------------------------------------------------


def test_leaving_the_block_releases_also_on_error() -> None:
    script = Script((ACCEPT, bytes.fromhex("6303800100")))
    with script.listening() as where:
        with pytest.raises(ZeroDivisionError), connect(where):
            raise ZeroDivisionError
        assert script.hung_up.wait(5)
        assert script.heard.get()[0] == 0x60
        assert script.heard.get().hex() == "6203800100"


def test_closing_twice_and_using_a_closed_client(url: str) -> None:
    with served(url) as where:
        client = connect(where)
        client.close()
        client.close()
        with pytest.raises(LinkError):
            client.get(ENERGY.value)


def test_a_server_that_does_not_release_is_left_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.client.CLOSE_TIMEOUT_S", SOON_S)
    script = Script((ACCEPT,))
    with script.listening() as where, connect(where):
        pass
    assert script.hung_up.wait(5)


def test_an_interrupt_is_not_swallowed_and_the_line_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.client.CLOSE_TIMEOUT_S", SOON_S)
    script = Script((ACCEPT, None, bytes.fromhex("6303800100")))
    with script.listening() as where:
        client = connect(where)
        receive = client._medium.receive

        def interrupt(timeout_s: float | None) -> bytes:
            monkeypatch.setattr(client._medium, "receive", receive)
            raise KeyboardInterrupt

        monkeypatch.setattr(client._medium, "receive", interrupt)
        with pytest.raises(KeyboardInterrupt), client:
            client.get(ENERGY.value)
    assert script.hung_up.wait(5)


# --- not getting there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"client": READER, "password": "54321"}, AssociationRefused),
        ({"client": READER}, AssociationRefused),
        ({"client": READER, "password": b"12345", "auth": Mechanism.NONE}, AssociationRefused),
        ({"client": 99}, AssociationRefused),
        ({"max_receive": 11}, AssociationRefused),
        ({"password": "пароль"}, LocalProtocolError),
        ({"auth": Mechanism.LLS}, LocalProtocolError),
        ({"client": 1 << 20}, LocalProtocolError),
        ({"server": -1}, LocalProtocolError),
        ({"password": bytes(70_000)}, LocalProtocolError),
    ],
    ids=str,
)
def test_what_does_not_lead_to_an_association(url: str, keywords: dict[str, Any], error: type[DlmsError]) -> None:
    with served(url) as where, pytest.raises(error) as refused:
        connect(where, **keywords)
    assert "54321" not in str(refused.value)


def test_nobody_there() -> None:
    with served("tcp://127.0.0.1:0") as where:
        pass
    for gone in (where, where.replace("tcp", "hdlc"), "memory://nobody", "serial:///dev/does-not-exist"):
        with pytest.raises(LinkError):
            connect(gone)


def test_a_meter_that_never_says_a_word() -> None:
    script = Script((None,))
    with script.listening() as where, pytest.raises(LinkError, match="AARQ within"):
        connect(where, timeout_s=SOON_S)
    assert script.hung_up.wait(5)


def test_a_wrong_answer_to_the_aarq_hangs_up() -> None:
    for answer in (b"\xff", encode(Aare(result=0, diagnostic=Diagnostic(1, 0))), b"\xd8\x01\x01"):
        script = Script((answer,))
        with script.listening() as where, pytest.raises(DlmsError):
            connect(where)
        assert script.hung_up.wait(5)


# --- meters that fall silent, hang up, or talk nonsense -----------------------------------------------------------


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Client]]:
    """A client of a scripted meter that accepts the association first."""
    monkeypatch.setattr("dlms.client.CLOSE_TIMEOUT_S", SOON_S)
    opened = []

    def make(*answers: bytes | None, pushes: Iterable[bytes] = (), **keywords: Any) -> Client:
        script = Script((ACCEPT, *answers), pushes)
        listening = script.listening()
        client = connect(listening.__enter__(), **{"timeout_s": SOON_S, **keywords})
        opened.append((client, listening))
        return client

    yield make
    for client, listening in opened:
        client.close()
        listening.__exit__(None, None, None)


def block(number: int) -> bytes:
    return encode(GetResponseWithDatablock(0xC1, ResultBlock(False, number, b"\x09\x64" + bytes(10))))


def test_silence_in_the_middle_of_blocks(meter: Callable[..., Client]) -> None:
    client = meter(block(1), None, value(2, Unsigned(5)))
    with pytest.raises(LinkError, match="get-request-next"):
        client.get(LONG.value)
    assert client.get(ENERGY.value) == 5


def test_silence_after_a_write_is_unknown(meter: Callable[..., Client]) -> None:
    client = meter(None, None)
    with pytest.raises(OutcomeUnknown):
        client.set(ENERGY.value, Unsigned(1))
    with pytest.raises(OutcomeUnknown):
        client.call(ENERGY.reset)


def test_the_deadline_ends_a_meter_that_answers_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is in time, but there is no end to them."""

    def endless() -> Iterator[bytes]:
        yield ACCEPT
        number = 0
        while True:
            number += 1
            yield block(number)

    script = Script(endless())
    with script.listening() as where, connect(where, deadline_s=4 * SOON_S) as client:
        with pytest.raises(LinkError, match="deadline"):
            client.get(LONG.value)
        with pytest.raises(LinkError, match="deadline"):
            client.get(LONG.value)
    assert script.hung_up.wait(5)


def test_the_deadline_leaves_the_outcome_of_a_write_unknown(meter: Callable[..., Client]) -> None:
    client = meter(None, timeout_s=5, deadline_s=SOON_S)
    with pytest.raises(OutcomeUnknown, match="deadline"):
        client.set(ENERGY.value, Unsigned(1))


def test_a_meter_that_hangs_up() -> None:
    held = device()
    with served(memory_name(), held) as where:
        client = connect(where)
        monkey: Any = held.store
        client._medium.close()
        with pytest.raises(LinkError):
            client.get(ENERGY.value)
        with pytest.raises(LinkError):
            client.set(ENERGY.value, Unsigned(1))
        client.close()
        assert monkey.get(ENERGY.value) == 1234


def test_notifications_are_kept_and_counted(meter: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.client.MAX_NOTIFICATIONS", 3)
    client = meter(None)
    for number in range(5):
        client.connection.receive_data(b"", 0.0)
        client.connection._notified(DataNotification(number, b"", None), b"", 0.0)
    client._drain()
    assert [getattr(one, "long_invoke_id_and_priority", None) for one in client.notifications] == [2, 3, 4]
    assert client.lost_notifications == 2


def test_waiting_for_notifications(meter: Callable[..., Client]) -> None:
    sent = [DataNotification(number, b"", Unsigned(number)) for number in (1, 2)]
    client = meter(pushes=map(encode, sent))
    assert [client.wait_for_notification(5), client.wait_for_notification(5)] == sent
    assert client.wait_for_notification(SOON_S) is None


def test_the_line_is_lost_while_waiting_for_a_notification(meter: Callable[..., Client]) -> None:
    client = meter()
    client._medium.close()
    with pytest.raises(LinkError):
        client.wait_for_notification(5)


@pytest.mark.parametrize(
    "scaler",
    [
        Unsigned(1),
        "text",
        (),
        (Integer(1),),
        [Integer(1), Unsigned(1)],
        b"\1\2",
        (LongUnsigned(500), Unsigned(1)),
        (Integer(1), LongUnsigned(500)),
        (Float64(1), Float64(1)),
    ],
    ids=repr,
)
def test_a_scaler_that_is_none(meter: Callable[..., Client], scaler: Any) -> None:
    client = meter(value(1, Unsigned(5)), value(2, scaler))
    with pytest.raises(RemoteProtocolError, match="no scaler and unit"):
        client.read(ENERGY)


def test_registers_that_hold_no_number(meter: Callable[..., Client]) -> None:
    for number, held in enumerate((None, "text", True, [Unsigned(1)]), 1):
        client = meter(value(1, held))
        with pytest.raises(LocalProtocolError, match="no number"):
            client.read(ENERGY)
        assert number


def test_a_register_without_scaler(meter: Callable[..., Client]) -> None:
    assert str(meter(value(1, Unsigned(5)), value(2, None)).read(ENERGY)) == "5"


@pytest.mark.parametrize("buffer", [Unsigned(1), "text", [], [()], [(Unsigned(1),)], [None], [at(0)], ()], ids=repr)
def test_a_buffer_that_is_none(meter: Callable[..., Client], buffer: Any) -> None:
    captured = [
        (LongUnsigned(1), bytes(6), Integer(2), LongUnsigned(0)),
        (LongUnsigned(8), bytes(6), Integer(2), LongUnsigned(0)),
    ]
    client = meter(value(1, captured), value(2, buffer))
    client.connection.association.negotiated = type(client.connection.negotiated)(Conformance.GET)
    try:
        assert client.profile(PROFILE, START).rows() == []
    except DlmsError as fault:
        assert isinstance(fault, RemoteProtocolError)  # noqa: PT017  (no rows, or that it is not a buffer)


def test_a_profile_is_read_by_time_or_by_entries() -> None:
    with served(memory_name()) as where, connect(where) as client:
        for bound in ({"start": START}, {"end": START}):
            with pytest.raises(LocalProtocolError, match="not both"):
                client.profile(PROFILE, entries=Entries(1), **bound)


def test_a_list_that_the_meter_refuses_is_read_one_by_one(meter: Callable[..., Client]) -> None:
    client = meter(value(1, Refusal(250)), value(2, "a"), value(3, Refusal(3)))
    first, second = client.get_many([ENERGY.value, NAME.value])
    assert (first, second.result) == ("a", 3)


# --- what is shown ------------------------------------------------------------------------------------------------


def test_the_password_is_in_no_trace_and_no_repr(url: str) -> None:
    lines: list[str] = []
    with served(url) as where, connect(where, client=READER, password="12345", trace=Trace(lines.append)) as client:
        client.get(ENERGY.value)
        assert "12345" not in repr(client.connection.request)
    shown = "\n".join(lines)
    assert b"12345".hex() not in shown
    assert "8005**********" in shown


def test_a_trace_goes_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "meter")
    with served(memory_name()) as where, connect(where, trace=to_logging(logging.getLogger("meter"))) as client:
        client.get(ENERGY.value)
    assert ">> " + GetRequestNormal.wire_name() in caplog.messages
    to_logging(logging.getLogger("meter"), (b"\x12\x34",)).sent(b"\x00\x12\x34")
    assert caplog.messages[-1] == "> 00****"


def test_progress_counts_octets() -> None:
    seen: list[int] = []
    with served(memory_name()) as where, connect(where) as client:
        client.progress = seen.append
        client.get(LONG.value)
    assert sum(seen) > 768


def test_lists_go_in_one_request(meter: Callable[..., Client]) -> None:
    lines: list[str] = []
    with served(memory_name()) as where, connect(where, trace=Trace(lines.append)) as client:
        client.get_many([ENERGY.value, NAME.value])
    assert lines.count(">> " + GetRequestWithList.wire_name()) == 1


def test_snapshot_of_listed_objects() -> None:
    with served(memory_name()) as where, connect(where) as client:
        listed = {one.instance: one for one in client.objects()}
        assert client.snapshot(listed[ENERGY.instance]) == client.snapshot(ENERGY)
        assert client.snapshot(listed[ASSOCIATION.instance])["association_status"] == 2
