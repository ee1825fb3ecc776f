"""The client library of gurux-dlms, unmodified, over a socket of ours.  A peer in tests: called, never copied."""

from __future__ import annotations

import contextlib
import datetime
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.enums import (
    AccessServiceCommandType,
    Authentication,
    Conformance,
    DataType,
    InterfaceType,
    ObjectType,
)
from gurux_dlms.GXBitString import GXBitString
from gurux_dlms.GXDate import GXDate
from gurux_dlms.GXDLMSAccessItem import GXDLMSAccessItem
from gurux_dlms.GXDLMSClient import GXDLMSClient
from gurux_dlms.GXTime import GXTime
from gurux_dlms.secure import GXDLMSSecureClient

from obis import Obis
from tests.interop.deviations import PeerError, Refused
from tests.interop.line import Line
from tests.interop.peer import Place, Reading, Seen

NAME = "gurux-dlms"
RESULTS = frozenset((*range(1, 20), 250))
"""The data-access-results and action-results that there are, and some more."""


class GuruxPeer:
    """An association held by gurux-dlms: HDLC for an `hdlc` URL, else the wrapper; LLS with a password, else none.

    With `short_names` its objects are those that it made of the object list; over HDLC it says DISC alone in the end, as
    its RLRQ loses count of the frames then.
    `prepare` may change its client before it says anything: mechanism, keys, conformance.
    """

    name = NAME

    def __init__(
        self,
        url: str,
        client: int,
        server: int,
        password: str | None = None,
        *,
        address_size: int = 0,
        secure: bool = False,
        short_names: bool = False,
        releases: bool = True,
        max_pdu: int = 0xFFFF,
        max_info: int = 128,
        prepare: Callable[[Any], None] = lambda client: None,
    ) -> None:
        interface = InterfaceType.HDLC if url.startswith("hdlc") else InterfaceType.WRAPPER
        authentication = Authentication.NONE if password is None else Authentication.LOW
        kind = GXDLMSSecureClient if secure else GXDLMSClient
        self.client = kind(not short_names, client, server, authentication, password, interface)
        self.client.serverAddressSize = address_size
        self.client.maxReceivePDUSize = max_pdu
        if not short_names:
            self.client.proposedConformance |= Conformance.ACCESS | Conformance.BLOCK_TRANSFER_WITH_ACTION
        self.client.hdlcSettings.maxInfoRX = self.client.hdlcSettings.maxInfoTX = max_info
        self.client.autoIncreaseInvokeID = True
        prepare(self.client)
        self._line, self._releases, self.failed = Line(url), releases, False
        self._short_names = short_names
        self._listed: dict[tuple[int, Obis], Any] = {}
        try:
            with self._work():
                self._open()
        except BaseException:
            self.hang_up()
            raise

    def objects(self) -> dict[tuple[int, Obis], Seen]:
        """The association view, by its own object collection."""
        with self._work():
            return {key: _seen(one) for key, one in self._objects().items()}

    def short_names(self) -> dict[tuple[int, Obis], int]:
        """The base names that it found."""
        return {key: int(one.shortName) for key, one in self._listed.items()}

    def _objects(self) -> dict[tuple[int, Obis], Any]:
        reply = self._exchange([self.client.getObjectsRequest()])
        found = self.client.parseObjects(reply.data, False, False)
        return {(int(one.objectType), Obis(one.logicalName)): one for one in found}

    def get(self, place: Place) -> Reading:
        """One attribute; its object of that class must take the value, too."""
        with self._work():
            item = (
                self._profile(place) if place[0] == ObjectType.PROFILE_GENERIC and place[2] == 2 else self._item(place)
            )
            reply = self._exchange(self.client.read(item, place[2]))
            reading = Reading(bytes(reply.data.array()), _plain(reply.value))
            self.client.updateValue(item, place[2], reply.value)  # it changes rows in place
        return reading

    def get_list(self, places: Sequence[Place]) -> list[Any]:
        """GET with list."""
        with self._work():
            items = [(self._item(place), place[2]) for place in places]
            values: list[Any] = []
            for messages in self.client.readList(items):
                value = self._exchange(messages).value
                values += [value] if self._short_names and len(items) == 1 else value
        return [_plain(value) for value in values]

    def rows_by_range(self, place: Place, start: datetime.datetime, end: datetime.datetime) -> list[Any]:
        """Selective access 1 on the first captured object."""
        with self._work():
            profile = self._profile(place)
            # its GXDateTime adds the deviation of this machine, which does not take part in the comparison
            reply = self._exchange(self.client.readRowsByRange(profile, GXDateTime(start), GXDateTime(end)))
        return _rows(reply)

    def rows_by_entry(self, place: Place, first: int, count: int) -> list[Any]:
        """Selective access 2."""
        with self._work():
            reply = self._exchange(self.client.readRowsByEntry(self._item(place), first, count))
        return _rows(reply)

    def set(self, place: Place, tag: int, value: Any) -> None:
        """SET, in blocks when the server takes no more; only Data objects."""
        with self._work():
            item = self._item(place)
            item.value = value
            item.setDataType(place[2], DataType(tag))
            self._exchange(self.client.write(item, place[2]))

    def call(self, place: Place, tag: int, value: Any) -> None:
        """ACTION."""
        with self._work():
            self._exchange(self.client.method(self._item(place), place[2], value, DataType(tag)))

    def access(self, places: Sequence[Place]) -> list[Any]:
        """ACCESS with a GET for each place: values, and Refused where the server refused."""
        with self._work():
            items = [GXDLMSAccessItem(AccessServiceCommandType.GET, self._item(place), place[2]) for place in places]
            reply = self._exchange(self.client.accessRequest(None, items))
            self.client.parseAccessResponse(items, reply.data)
        return [Refused(int(item.error)) if item.error else _plain(item.value) for item in items]

    def close(self) -> None:
        """RLRQ where the meter knows it, DISC where there is a link; hang up in any case."""
        try:
            with self._work():
                over_hdlc = self.client.interfaceType == InterfaceType.HDLC
                if (
                    self._releases
                    and not (self._short_names and over_hdlc)
                    and (release := self.client.releaseRequest())
                ):
                    self._exchange(release)
                if over_hdlc:
                    self._exchange([self.client.disconnectRequest()])
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection."""
        self._line.close()

    @contextlib.contextmanager
    def _work(self) -> Iterator[None]:
        """It raises whatever happens inside it, and prints: one error, and nothing on the terminal."""
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                yield
        except (AssertionError, Refused):
            raise
        except Exception as fault:
            self.failed = True
            raise PeerError(f"{type(fault).__name__}: {fault} {printed.getvalue()}".strip()) from fault

    def _open(self) -> None:
        if snrm := self.client.snrmRequest():
            self.client.parseUAResponse(self._exchange([snrm]).data)
        self.client.parseAareResponse(self._exchange(self.client.aarqRequest()).data)
        if self.client.getIsAuthenticationRequired():
            proof = self._exchange(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(proof.data)
        if self._short_names:
            self._listed = self._objects()

    def _item(self, place: Place) -> Any:
        """An object of its own; with short names, which it has to know, the one that it made."""
        class_id, instance, _ = place
        if self._short_names:
            return self._listed[class_id, instance]
        item = GXDLMSClient.createObject(ObjectType(class_id))
        item.logicalName = str(instance)
        return item

    def _profile(self, place: Place) -> Any:
        """Its profile object takes a buffer only when it knows the captured objects."""
        profile = self._item(place)
        self.client.updateValue(profile, 3, self._exchange(self.client.read(profile, 3)).value)
        return profile

    def _exchange(self, messages: Sequence[Any]) -> Any:
        """Send what belongs to one service and put the answer together, blocks and frames alike."""
        reply = GXReplyData()
        for message in messages:
            reply.clear()
            self._one(message, reply)
            while reply.isMoreData():
                self._one(None if reply.isStreaming() else self.client.receiverReady(reply), reply)
        return reply

    def _one(self, message: Any, reply: Any) -> None:
        if message is not None:
            self._line.send(bytes(message))
        received, notify = GXByteBuffer(), GXReplyData()
        received.set(self._line.receive())
        while not self.client.getData(received, reply, notify):
            received.set(self._line.receive())
        assert not notify.isComplete() or not notify.data.size, "an answer taken for a notification"
        if reply.error:
            if reply.error not in RESULTS:
                raise ValueError(f"it reads a result {reply.error}, which there is not")
            raise Refused(int(reply.error))


def _rows(reply: Any) -> list[Any]:
    """No rows are an empty array, for which it has no value."""
    return [] if reply.value is None and bytes(reply.data.array()) == b"\x01\x00" else list(_plain(reply.value))


def _seen(one: Any) -> Seen:
    attributes = {index: int(one.getAccess(index)) for index in range(1, one.getAttributeCount() + 1)}
    methods = {index: int(one.getMethodAccess(index)) for index in range(1, one.getMethodCount() + 1)}
    return Seen(one.version, attributes, methods)


def _plain(value: Any) -> Any:
    """Its values as plain Python ones: it gives subclasses of int and list, buffers, and times of its own."""
    match value:
        case None | bool() | str():
            return value
        case GXDate():
            return value.value.date()
        case GXTime():
            return value.value.time().replace(tzinfo=None)
        case GXDateTime():
            return value.value.replace(tzinfo=None)
        case GXBitString():
            return str(value)
        case bytes() | bytearray():
            return bytes(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case list():
            return [_plain(one) for one in value]
    raise PeerError(f"a value of type {type(value).__name__}")
