"""General-block-transfer: any APDU in numbered blocks, in windows, with recovery of lost ones.  One machine for both ends.

    client                                   server
      E0 .. block 1 of the request (STR 0) ->
                                           <- E0 .. block 1 (STR 1), block 2 (STR 0)     a window of two
      E0 .. empty, BNA 1: block 2 was lost  ->
                                           <- E0 .. block 2, 3 (last)

A block says in `window` how many blocks its sender can take in a row, in `block_number_ack` up to which block it has
everything.  The streaming bit says that more blocks follow unasked; without it the turn goes over.  Only contiguous blocks
are stored; a gap leaves the acknowledgement where it was, and the sender resumes behind it.  Green Book, general block
transfer.  Sans-IO; contract as `dlms.connection`.
"""

from __future__ import annotations

import dataclasses

from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.codec import encode
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.limits import MAX_BLOCKS, MAX_TRANSFER

LAST, STREAMING = 0x80, 0x40
MAX_WINDOW = 63
HEADER = 9
"""Octets around the data of one block: tag, control, two numbers, length of up to three octets."""


@dataclasses.dataclass(slots=True)
class Sending:
    """An APDU on its way out: its pieces, how many the peer has, how many went out at all."""

    pieces: list[bytes]
    acknowledged: int = 0
    sent: int = 0


class BlockTransfer:
    """One end.  `own_window` is how many blocks this end takes in a row; 1 where the layer below knows no more.

    `send` and `receive` return the APDUs that go out now; `take` gives the APDU that has arrived.
    """

    def __init__(self, own_window: int) -> None:
        if not 1 <= own_window <= MAX_WINDOW:
            raise LocalProtocolError(f"a window of {own_window} blocks, 1 to {MAX_WINDOW} are possible")
        self.own_window = own_window
        self._peer_window = 1  # until the peer has said how many it takes
        self._sending = Sending([])
        self.received = 0
        """Blocks of the transfer that is under way: while they come, it goes on."""
        self._data = bytearray()
        self._complete = False

    def reset(self) -> None:
        """Forget what is under way."""
        self._sending = Sending([])
        self._begin_receiving()

    def _begin_receiving(self) -> None:
        self.received, self._complete = 0, False
        self._data.clear()

    def send(self, apdu: bytes, max_apdu: int) -> list[bytes]:
        """Begin to send an APDU in APDUs of at most `max_apdu` octets.  Raises LocalProtocolError when that cannot be.

        What has arrived before is acknowledged with it: an answer acknowledges its request.
        """
        self._sending = Sending(_pieces(apdu, max_apdu))
        return self._turn()

    def receive(self, block: GeneralBlockTransfer) -> list[bytes]:
        """Take a block.  Raises RemoteProtocolError, and forgets the transfer, when the peer breaks the rules."""
        if block.block_data and self._is_of_another(block):
            self._begin_receiving()  # what was sent in the last transfer may be acknowledged with the new one
        try:
            self._acknowledge(block)
            self._store(block)
        except RemoteProtocolError:
            self.reset()
            raise
        return [] if block.streaming else self._our_turn(bool(block.block_data))

    def _is_of_another(self, block: GeneralBlockTransfer) -> bool:
        """Whether the peer has begun a new transfer, be it that its first block was lost."""
        if self._complete:
            return not self._data
        return block.block_number == 1 and self.received > 0 and not self._data.startswith(block.block_data)

    def take(self) -> bytes | None:
        """The APDU that has arrived, once; None while none has."""
        if not self._complete or not self._data:
            return None
        whole = bytes(self._data)
        self._data.clear()
        return whole

    def _acknowledge(self, block: GeneralBlockTransfer) -> None:
        sending = self._sending
        if block.block_number_ack > sending.sent:
            raise RemoteProtocolError(f"block {block.block_number_ack} acknowledged, {sending.sent} were sent")
        sending.acknowledged = max(sending.acknowledged, block.block_number_ack)
        if block.window:
            self._peer_window = block.window

    def _store(self, block: GeneralBlockTransfer) -> None:
        """Keep a block that is next; one that is repeated, or behind a gap, is left out."""
        if self._complete or block.block_number != self.received + 1:
            return
        if not block.block_data:
            if block.last_block and self.received:
                raise RemoteProtocolError("the peer aborted the block transfer")
            return  # nothing but an acknowledgement
        if self.received >= MAX_BLOCKS or len(self._data) + len(block.block_data) > MAX_TRANSFER:
            raise RemoteProtocolError(f"a block transfer of more than {MAX_TRANSFER} octets or {MAX_BLOCKS} blocks")
        self.received += 1
        self._data += block.block_data
        self._complete = block.last_block

    def _our_turn(self, owed: bool) -> list[bytes]:
        """More blocks of ours, else an acknowledgement: `owed` when data came, even if none of it could be kept."""
        if self._sending.acknowledged < len(self._sending.pieces):
            return self._turn()
        if self._complete or not (self.received or owed):
            return []
        number = self._sending.sent + 1
        return [encode(GeneralBlockTransfer(LAST | self.own_window, number, self.received, b""))]

    def _turn(self) -> list[bytes]:
        """The next window of blocks, from behind the last acknowledged one."""
        sending = self._sending
        first = sending.acknowledged
        pieces = sending.pieces[first : first + self._peer_window]
        sending.sent = max(sending.sent, first + len(pieces))
        return [
            encode(GeneralBlockTransfer(self._control(number, first + len(pieces)), number, self.received, piece))
            for number, piece in enumerate(pieces, first + 1)
        ]

    def _control(self, number: int, last_of_turn: int) -> int:
        last = LAST if number == len(self._sending.pieces) else 0
        return self.own_window | last | (STREAMING if number < last_of_turn else 0)


def unacknowledged(apdu: bytes, max_apdu: int) -> list[bytes]:
    """An APDU in blocks that nobody acknowledges, as a push has them: window 0, every block but the last streaming.

    Raises LocalProtocolError when that cannot be.
    """
    pieces = _pieces(apdu, max_apdu)
    return [
        encode(GeneralBlockTransfer(LAST if number == len(pieces) else STREAMING, number, 0, piece))
        for number, piece in enumerate(pieces, 1)
    ]


def _pieces(apdu: bytes, max_apdu: int) -> list[bytes]:
    room = max_apdu - HEADER
    if room < 1:
        raise LocalProtocolError(f"no room for blocks in APDUs of {max_apdu} octets")
    pieces = [apdu[start : start + room] for start in range(0, len(apdu), room)]
    if len(pieces) > MAX_BLOCKS or len(apdu) > MAX_TRANSFER:
        raise LocalProtocolError(f"an APDU of {len(apdu)} octets takes {len(pieces)} blocks, {MAX_BLOCKS} at most")
    return pieces
