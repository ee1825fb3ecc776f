"""What arrives: from the APDUs that the layer below delivers to plain records.  Sans-IO.

An APDU comes whole or in general blocks, plain or in an envelope.  Here blocks are put together, envelopes opened and
records decoded, each once; whom a record is for, and what becomes of it, is the connection's.  Nothing received raises: what
cannot be used comes out as `Spoilt`, with the octets as far as they were opened.

An envelope that cannot be opened may hold an answer or a notification.  A glo- or ded- tag names its service.  The general
envelopes name none, so they prove nothing about the request that waits; nor does one whose invocation counter has been: it
comes twice, by a fault of the network or by somebody's will, and what waits may still be answered.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dlms import apdu as services
from dlms.acse import decode_acse
from dlms.apdu import decode_apdu
from dlms.apdu.protected import ENVELOPE_TAGS, GENERAL_TAGS, PLAIN
from dlms.association import KINDS, Association, Kind, State
from dlms.codec import Record, decode
from dlms.enums import Conformance
from dlms.errors import DecodeError, DlmsError, LocalProtocolError, RemoteProtocolError, SecurityError
from dlms.general_block import BlockStream, BlockTransfer, unconfirmed
from dlms.limits import MAX_APDU
from dlms.security.counters import CounterError

if TYPE_CHECKING:
    from dlms.client_ciphering import ClientCiphering

NOTIFICATION_TAGS = tuple(of.prefix for of, kind in KINDS.items() if kind is Kind.NOTIFICATION)
_NOTIFYING = frozenset(
    (*(tag[0] for tag in NOTIFICATION_TAGS), *(tag for tag, of in PLAIN.items() if bytes((of,)) in NOTIFICATION_TAGS))
)
_ACSE_TAGS = (b"\x61", b"\x63")


class Arrival(NamedTuple):
    """An APDU that can be used: its record, its plain octets, and whether it came in an envelope."""

    apdu: Record
    data: bytes
    enveloped: bool


class Bearing(enum.Enum):
    """What an APDU that cannot be used means for the request that waits."""

    ANSWER = enum.auto()
    """It is the answer, or stands for it."""
    NOTIFICATION = enum.auto()
    """It answers nothing."""
    UNTOLD = enum.auto()
    """It may be either: what is inside is not known."""


class Spoilt(NamedTuple):
    """One that cannot: why, its octets as far as they were opened, and what that means."""

    error: DlmsError
    data: bytes
    bearing: Bearing


class Reception:
    """The receiving end of one association.

    `blocks` are the general blocks that it shares with the sending end; `replies` names the records that may answer what is
    under way, given plain octets: one of them is preferred where a prefix allows several.
    """

    def __init__(
        self,
        association: Association,
        blocks: BlockTransfer,
        ciphering: ClientCiphering | None,
        replies: Callable[[bytes], Sequence[type[Record]]],
        *,
        reliable: bool,
    ) -> None:
        self.acknowledgements: list[bytes] = []
        """General blocks that go out before anything else."""
        self._association, self._blocks, self._ciphering, self._replies = association, blocks, ciphering, replies
        self._reliable, self._stream = reliable, BlockStream()

    def reset(self) -> None:
        """Forget half a notification."""
        self._stream.reset()

    def receive(self, data: bytes, now: float) -> Arrival | Spoilt | None:
        """One APDU from the layer below; None when it is a block, and more must come.

        An answer in blocks acknowledges its request and is acknowledged by the next one; what is none, by a block.
        """
        if data[:1] != services.GeneralBlockTransfer.prefix:
            return self._whole(data)
        try:
            block = decode(services.GeneralBlockTransfer, data)
        except DlmsError as error:
            return Spoilt(error, data, Bearing.ANSWER)
        if unconfirmed(block) and not (block.block_number_ack and self._blocks.sending):
            return self._streamed(block, data)
        try:
            whole = self._unblocked(block, now)
        except DlmsError as error:
            return Spoilt(error, data, Bearing.ANSWER)
        if whole is None:
            return None
        arrival = self._whole(whole, in_blocks=True)
        if not self.acknowledgements and _notifies(arrival):
            self.acknowledgements.append(self._blocks.acknowledgement())
        return arrival

    def _streamed(self, block: services.GeneralBlockTransfer, data: bytes) -> Arrival | Spoilt | None:
        try:
            whole = self._stream.receive(block)
        except DlmsError as error:
            return Spoilt(error, data, Bearing.NOTIFICATION)
        return None if whole is None else self._whole(whole, in_blocks=True)

    def _whole(self, data: bytes, *, in_blocks: bool = False) -> Arrival | Spoilt:
        """An APDU that is all there."""
        try:
            limit = 0 if in_blocks else self._association.negotiated.max_receive
            if len(data) > limit > 0 and data[:1] not in NOTIFICATION_TAGS:
                raise RemoteProtocolError(f"{len(data)} octets; {limit} were agreed")
            envelope, data = data, self._opened(data)
            return Arrival(self._decoded(data), data, data is not envelope)
        except DlmsError as error:
            return Spoilt(error, data, self._bearing(data, error))

    @staticmethod
    def _bearing(data: bytes, error: DlmsError) -> Bearing:
        tag = data[0] if data else None
        if tag in _NOTIFYING:
            return Bearing.NOTIFICATION
        told = tag not in GENERAL_TAGS and not isinstance(error, CounterError)
        return Bearing.ANSWER if told else Bearing.UNTOLD

    def _unblocked(self, block: services.GeneralBlockTransfer, now: float) -> bytes | None:
        """The APDU that this block completes, None when more must come."""
        association = self._association
        agreed = Conformance.GENERAL_BLOCK_TRANSFER in association.negotiated.conformance
        if association.state is State.OPENING and not self._reliable:
            return None  # of an association that is over: nothing is in blocks before they are agreed on
        if not agreed and association.state is not State.CLOSED:
            raise RemoteProtocolError("a general block, which was not negotiated")
        if self._blocks.sending and block.block_data and not block.block_number_ack:
            return None  # of a push that has crossed our request: the server begins it anew behind the answer
        self.acknowledgements += self._blocks.receive(block, now)
        return self._blocks.take()

    def _opened(self, data: bytes) -> bytes:
        """The plain APDU.  Raises SecurityError for one that is protected worse than what was asked for."""
        if self._ciphering is not None:
            try:
                return self._ciphering.open(data, authenticating=self._association.state is State.AUTHENTICATING)
            except LocalProtocolError as fault:  # the peer has chosen that key, not we
                raise SecurityError(str(fault)) from fault
        if data[:1] and data[0] in ENVELOPE_TAGS:
            raise SecurityError("a protected APDU, and no keys are known here")
        return data

    def _decoded(self, data: bytes) -> Record:
        """The record that is waited for where the prefix allows several (a result left encoded), else the usual one."""
        if data[:1] in _ACSE_TAGS:
            apdu = decode_acse(data)
            return apdu if self._ciphering is None else self._ciphering.accepted(apdu)
        for wanted in self._replies(data):
            if data.startswith(wanted.prefix):
                return decode(wanted, data)
        if len(data) > MAX_APDU:
            raise DecodeError(f"an APDU of {len(data)} octets, {MAX_APDU} at most", data, MAX_APDU)
        return decode_apdu(data)


def _notifies(arrival: Arrival | Spoilt) -> bool:
    if isinstance(arrival, Spoilt):
        return arrival.bearing is not Bearing.ANSWER
    return KINDS.get(type(arrival.apdu)) is Kind.NOTIFICATION
