"""The client of dlms-cosem, unmodified, with its own sockets.  A peer in tests: called, never copied."""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog
from dlms_cosem import cosem, dlms_data, enumerations, utils
from dlms_cosem.client import ActionError, DataResultError, DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import EntryDescriptor, RangeDescriptor
from dlms_cosem.io import BlockingTcpIO, HdlcTransport, TcpTransport
from dlms_cosem.parsers import AssociationObjectListParser
from dlms_cosem.security import LowLevelSecurityAuthentication, NoSecurityAuthentication

from obis import Obis
from tests.interop.deviations import PeerError, Refused
from tests.interop.line import PATIENCE_S
from tests.interop.peer import Place, Reading, Seen

NAME = "dlms-cosem"
CURRENT_ASSOCIATION = (15, Obis("0.0.40.0.0.255"), 2)


class Frames(BlockingTcpIO):  # type: ignore[misc]  # it has no annotations
    """Its TCP stream, with frames found by their length.

    By itself it reads from flag to flag, and waits for ever for a further frame when the last octet of one is a flag,
    too: 1 frame in 256.  It still gets the pieces between flags, since that is how it puts frames together.
    """

    _frame = b""
    _ended = False

    def recv_until(self, end: bytes) -> bytes:
        """The octets up to the next flag; none when the closing flag has just been given alone."""
        if self._ended:
            self._ended = False
            return b""
        if not self._frame:
            head = self.recv(3)
            self._frame = head + self.recv(((head[1] & 7) << 8 | head[2]) - 1)
        cut = self._frame.index(end) + 1
        piece, self._frame = self._frame[:cut], self._frame[cut:]
        self._ended = piece == end and not self._frame
        return piece


class CosemPeer:
    """An association held by dlms-cosem: HDLC for an `hdlc` URL, else the wrapper; LLS with a password, else none.

    `security` are its own options: keys, title, counters, and an authentication in place of these two.
    """

    name = NAME

    def __init__(
        self,
        url: str,
        client: int,
        server: int,
        password: str | None = None,
        *,
        physical: int | None = None,
        max_pdu: int = 0xFFFF,
        releases: bool = True,
        clock: str = "0.0.1.0.0.255",
        **security: Any,
    ) -> None:
        parts = urlsplit(url)
        stream = Frames(parts.hostname, parts.port, timeout=PATIENCE_S)
        if parts.scheme == "hdlc":
            transport = HdlcTransport(client, server, stream, server_physical_address=physical)
        else:
            transport = TcpTransport(client, server, stream)
        secret = NoSecurityAuthentication() if password is None else LowLevelSecurityAuthentication(password.encode())
        self._io, self._releases, self.failed, self._clock = stream, releases, False, Obis(clock)
        try:
            with self._work():
                options = {"authentication": secret, "max_pdu_size": max_pdu, **security}
                self._client = DlmsClient(transport=transport, **options)
                self._client.connect()
                self._client.associate()
        except BaseException:
            self.hang_up()
            raise

    def objects(self) -> dict[tuple[int, Obis], Seen]:
        """The association view, by its own parser."""
        encoded = self.get(CURRENT_ASSOCIATION).encoded
        with self._work():
            found = AssociationObjectListParser.parse_bytes(encoded)
        return {(int(one.interface), Obis(one.logical_name.to_bytes())): _seen(one) for one in found}

    def get(self, place: Place) -> Reading:
        """One attribute."""
        with self._work():
            encoded = bytes(self._client.get(_attribute(place)))
        try:
            return Reading(encoded, _value(encoded))
        except Exception as fault:  # whatever its parser raises: the association knows nothing of it
            return Reading(encoded, PeerError(f"{type(fault).__name__}: {fault}"))

    def get_list(self, places: Sequence[Place]) -> list[Any]:
        """GET with list."""
        with self._work():
            wanted = [cosem.CosemAttributeWithSelection(_attribute(place), None) for place in places]
            return [_plain(value) for value in self._client.get_many(wanted).result]

    def rows_by_range(self, place: Place, start: datetime.datetime, end: datetime.datetime) -> list[Any]:
        """Selective access 1 on the meter's clock."""
        with self._work():
            clock = CaptureObject(_attribute((8, self._clock, 2)))
            return list(_value(self._client.get(_attribute(place), RangeDescriptor(clock, start, end))))

    def rows_by_entry(self, place: Place, first: int, count: int) -> list[Any]:
        """Selective access 2."""
        with self._work():
            selection = EntryDescriptor(first, first + count - 1)
            return list(_value(self._client.get(_attribute(place), selection)))

    def set(self, place: Place, tag: int, value: Any) -> None:
        """SET."""
        with self._work():
            answer = self._client.set(_attribute(place), _encoded(tag, value))
            if answer.result != enumerations.DataAccessResult.SUCCESS:
                raise Refused(int(answer.result))

    def call(self, place: Place, tag: int, value: Any) -> None:
        """ACTION."""
        class_id, instance, index = place
        with self._work():
            method = cosem.CosemMethod(enumerations.CosemInterface(class_id), _obis(instance), index)
            self._client.action(method, _encoded(tag, value))

    @contextlib.contextmanager
    def _work(self) -> Iterator[None]:
        """Its errors have no common root, and it logs to the terminal: one error, and nothing logged."""
        before = structlog.get_config()["wrapper_class"]
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        try:
            yield
        except Refused:
            raise
        except (DataResultError, ActionError) as refusal:
            raise Refused(_code(str(refusal))) from refusal
        except Exception as fault:
            self.failed = True
            raise PeerError(f"{type(fault).__name__}: {fault}".strip()) from fault
        finally:
            structlog.configure(wrapper_class=before)

    def close(self) -> None:
        """RLRQ where the meter knows it, DISC where there is a link; hang up in any case."""
        try:
            with self._work():
                if self._releases:
                    self._client.release_association()
                self._client.disconnect()
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection."""
        if self._io.tcp_socket is not None:
            self._io.tcp_socket.close()


def _code(text: str) -> int:
    """The result inside the text of an error, which is all that it keeps of it."""
    for kind in (enumerations.DataAccessResult, enumerations.ActionResultStatus):
        for member in kind:
            if member.name in text:
                return int(member)
    raise PeerError(f"an error without a result: {text}")


def _obis(instance: Obis) -> Any:
    return cosem.Obis.from_bytes(bytes(instance))


def _attribute(place: Place) -> Any:
    class_id, instance, index = place
    return cosem.CosemAttribute(enumerations.CosemInterface(class_id), _obis(instance), index)


def _encoded(tag: int, value: Any) -> bytes:
    encoded: bytes = dlms_data.DlmsDataFactory.get_data_class(tag)(value).to_bytes()
    return encoded


def _seen(one: Any) -> Seen:
    attributes = {index: _mode(rights.access_rights) for index, rights in one.attribute_access_rights.items()}
    methods = {index: _mode(rights.access_rights) for index, rights in one.method_access_rights.items()}
    return Seen(one.version, attributes, methods)


def _mode(rights: Sequence[int]) -> int:
    """It takes the access mode apart into the numbers of its bits."""
    return sum(1 << right for right in rights)


def _value(encoded: bytes) -> Any:
    return _plain(utils.parse_as_dlms_data(encoded))


def _plain(value: Any) -> Any:
    """Its values as plain Python ones."""
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case enumerations.DataAccessResult():
            return Refused(int(value))
        case int() if not isinstance(value, bool):
            return int(value)
        case (datetime.datetime() as moment, _):
            return moment.replace(tzinfo=None)
        case list() | tuple():
            return [_plain(one) for one in value]
        case None | bool() | float() | str() | datetime.date() | datetime.time():
            return value
    raise PeerError(f"a value of type {type(value).__name__}")
