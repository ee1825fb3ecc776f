"""Pushes that come outside of an association, protected with the sender's keys: who takes them, over one line.  Sans-IO.

Each is opened with the keys of the system title that it names, and proves that it is the sender's and that it is new: the
invocation counter is accepted once and for all in the store of the counters.  Green Book, DataNotification service and
protection of xDLMS APDUs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dlms.apdu import GeneralBlockTransfer, decode_apdu
from dlms.apdu.protected import ENVELOPE_TAGS
from dlms.association import NOTIFICATION_NEEDS
from dlms.ciphering import Ciphering, Opened, Shape, claimed
from dlms.codec import Record, decode, encode
from dlms.errors import DlmsError, LocalProtocolError, RemoteProtocolError, SecurityError
from dlms.events import Fault
from dlms.framing.wrapper import WrapperReader, wrap
from dlms.general_block import BlockStream, unconfirmed
from dlms.notifications import Taken, confirmation
from dlms.security.channel import Channel
from dlms.security.counters import Counters
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Protection
from dlms.security.providers import KeyProvider

if TYPE_CHECKING:
    from dlms.security.keyfile import KeyFile
    from dlms.security.peers import Peers

MAX_STREAMS = 4
"""Senders on one line whose pushes in blocks are put together at the same time."""


class Sender(NamedTuple):
    """What is shared with one sender: the keys, and our system title towards it."""

    provider: KeyProvider
    own_title: bytes


class Pushed(NamedTuple):
    """A notification that was taken.  Without any protection it says nothing of who sent it, and the title is empty."""

    apdu: Record
    system_title: bytes
    protection: Protection


class Senders:
    """Whose pushes are taken: what is shared with each by its system title.

    `required` is the protection that a push must have, NONE to take plain ones too.  Raises LocalProtocolError for one that
    does not tell a repetition: that takes authentication.  `counters` must be those of everything else that uses the keys.
    """

    def __init__(
        self, senders: Mapping[bytes, Sender], counters: Counters, required: Protection = AUTHENTICATED_ENCRYPTED
    ) -> None:
        if required and Protection.AUTHENTICATED not in required:
            raise LocalProtocolError(f"a push that is only {required} can be repeated by anybody")
        self._senders, self._counters, self.required = dict(senders), counters, required
        self._known: dict[tuple[bytes, bool], Ciphering] = {}
        self._taken: dict[bytes, Taken] = {}

    @classmethod
    def of(
        cls,
        file: KeyFile,
        counters: Counters,
        peers: Peers | None = None,
        required: Protection = AUTHENTICATED_ENCRYPTED,
    ) -> Senders:
        """Every device of a key file that has a system title, and an identity of ours towards it."""
        found = {}
        for name, device in file.devices.items():
            own = file.identity(name).system_title
            if device.system_title is not None and own not in (None, device.system_title):
                found[device.system_title] = Sender(file.provider(name, peers), own or b"")
        return cls(found, counters, required)

    def open(self, data: bytes) -> tuple[bytes, Opened]:
        """The sender's title and what the envelope held.  Raises SecurityError, CounterError, DecodeError."""
        if not (data[:1] and data[0] in ENVELOPE_TAGS):
            if self.required:
                raise SecurityError(f"a push of tag {data[:1].hex()} is not protected; it must be {self.required}")
            return b"", Opened(data, Protection.NONE, Shape())
        claim = claimed(data)
        if claim.title is None:
            raise SecurityError("a protected push that does not say whose it is")
        opened = self._ciphering(claim.title, claim.broadcast).open(data, self.required)
        if Protection.AUTHENTICATED not in opened.protection:
            raise SecurityError(f"a push that is only {opened.protection} can be repeated by anybody")
        return claim.title, opened

    def close(self, apdu: bytes, title: bytes, like: Opened) -> bytes:
        """An APDU for a sender, protected as what it sent."""
        if not like.protection:
            return apdu
        unicast = like.shape._replace(broadcast=False)
        return self._ciphering(title, False).close(apdu, like.protection, unicast)

    def is_new(self, apdu: Record, title: bytes, plain: bytes) -> bool:
        """Whether a confirmed notification has not come before; others are new always."""
        confirm = confirmation(apdu)
        return confirm is None or self._taken.setdefault(title, Taken()).is_new(confirm, plain)

    def _ciphering(self, title: bytes, broadcast: bool) -> Ciphering:
        if title not in self._senders:
            raise SecurityError(f"no keys are shared with {title.hex() or 'nobody'}")
        if (title, broadcast) not in self._known:
            provider, own = self._senders[title]
            self._known[title, broadcast] = Ciphering(
                Channel(provider, self._counters, own, title), broadcast=broadcast
            )
        return self._known[title, broadcast]


class PushReceiver:
    """One line on which pushes come in wrappers, whole or in general blocks that nobody acknowledges.

    Contract as `dlms.connection`, without time.  Nothing that comes raises: what cannot be taken is a `Fault`.  Confirmed
    notifications are acknowledged under the protection that they came with; one that comes again is acknowledged again
    and told once.
    """

    def __init__(self, senders: Senders, *, datagrams: bool = False) -> None:
        self._senders, self._reader = senders, WrapperReader(datagrams)
        self._streams: dict[tuple[int, int], BlockStream] = {}
        self._events: deque[Pushed | Fault] = deque()
        self._out: list[bytes] = []

    @property
    def fault(self) -> str | None:
        """Why the line cannot be followed any further, None while it can."""
        return self._reader.fault

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the medium; one datagram at a time where there are datagrams."""
        self._reader.feed(data)
        while (found := self._reader.next_apdu()) is not None:
            source, destination, apdu = found
            try:
                confirm = self._received((source, destination), apdu)
            except DlmsError as error:
                self._events.append(Fault(error))
            else:
                if confirm is not None:
                    self._out.append(wrap(destination, source, confirm))

    def next_event(self) -> Pushed | Fault | None:
        """The oldest event."""
        return self._events.popleft() if self._events else None

    def data_to_send(self) -> list[bytes]:
        """Bytes for the medium, one item a datagram."""
        out, self._out = self._out, []
        return out

    def _received(self, line: tuple[int, int], data: bytes) -> bytes | None:
        """Take one APDU; gives what acknowledges it, None where nothing does."""
        if data[:1] == GeneralBlockTransfer.prefix:
            whole = self._whole(line, decode(GeneralBlockTransfer, data))
            if whole is None:
                return None
            data = whole
        title, opened = self._senders.open(data)
        apdu = decode_apdu(opened.plain)
        if type(apdu) not in NOTIFICATION_NEEDS:
            raise RemoteProtocolError(f"{apdu.wire_name()} is no notification")
        if self._senders.is_new(apdu, title, opened.plain):
            self._events.append(Pushed(apdu, title, opened.protection))
        confirm = confirmation(apdu)
        return None if confirm is None else self._senders.close(encode(confirm), title, opened)

    def _whole(self, line: tuple[int, int], block: GeneralBlockTransfer) -> bytes | None:
        if not unconfirmed(block):
            raise RemoteProtocolError("a general block that wants to be acknowledged, outside of an association")
        stream = self._streams.pop(line, None) or BlockStream()
        self._streams[line] = stream
        if len(self._streams) > MAX_STREAMS:
            del self._streams[next(iter(self._streams))]
        return stream.receive(block)
