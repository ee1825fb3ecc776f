"""General-block-transfer: any APDU in numbered blocks, in windows, with recovery of lost ones.  One machine for both ends.

    client                                   server
      E0 .. block 1 of the request (STR 0) ->
                                           <- E0 .. block 1 (STR 1), block 2 (STR 0)     a window of two
      E0 .. empty, BNA 1: block 2 was lost  ->
                                           <- E0 .. block 2, 3 (last)

A block says in `window` how many blocks its sender can take in a row, in `block_number_ack` up to which block it has
everything.  The streaming bit says that more blocks follow unasked; without it the turn goes over.  Only contiguous blocks
are stored; a gap leaves the acknowledgement where it was, and the sender resumes behind it.  A window of 0 from the end that
receives stops the other until it says more.  Green Book, general block transfer.  Sans-IO; contract as `dlms.connection`.

Where the layer below may lose blocks, an end that waits acts again by itself: the one that receives acknowledges what it
has, the one that sends repeats what was not acknowledged.  Blocks do not say to which transfer they belong: a repeated one
is told from another by its data, and where datagrams come later than the transfer after theirs only protection helps.
"""

from __future__ import annotations

import dataclasses

from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.codec import encode
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.limits import MAX_BLOCKS, MAX_STALLS, MAX_TRANSFER, RETRIES

LAST, STREAMING = 0x80, 0x40
MAX_WINDOW = 63
HEADER = 9
"""Octets around the data of one block: tag, control, two numbers, length of up to three octets."""
SENDER_PATIENCE = 1.5
"""How much longer the end that sends waits: what is missing the other end knows better."""


@dataclasses.dataclass(slots=True)
class Sending:
    """An APDU on its way out: its pieces, how many the peer has, how many went out at all."""

    pieces: list[bytes]
    acknowledged: int = 0
    sent: int = 0

    @property
    def pending(self) -> bool:
        """Whether the peer does not have all of it."""
        return self.acknowledged < len(self.pieces)


class BlockTransfer:
    """One end.  `own_window` is how many blocks this end takes in a row; 1 where the layer below knows no more.

    `send`, `receive` and `handle_timeout` return the APDUs that go out now; `take` gives the APDU that has arrived.
    `wait_s` is how long this end waits for the other before it acts again, `retries` how often without progress; None where
    the layer below loses nothing.
    """

    def __init__(self, own_window: int, *, wait_s: float | None = None, retries: int = RETRIES) -> None:
        if not 1 <= own_window <= MAX_WINDOW:
            raise LocalProtocolError(f"a window of {own_window} blocks, 1 to {MAX_WINDOW} are possible")
        self.own_window, self.wait_s, self.retries = own_window, wait_s, retries
        self._peer_window = 1  # until the peer has said how many it takes
        self._sending = Sending([])
        self._sent_before = 0
        self._repeated = -1
        """Behind which block a turn was repeated because it was asked for."""
        self._data = bytearray()
        self._seen: list[int] = []
        self._complete = self._answered = False
        self._stalls = self._tries = 0
        self._due: float | None = None

    @property
    def received(self) -> int:
        """Blocks of the transfer that is under way: while they come, it goes on."""
        return len(self._seen)

    @property
    def receiving(self) -> bool:
        """Whether half a transfer has come."""
        return bool(self._seen) and not self._complete

    @property
    def sent(self) -> int:
        """Blocks that went out so far, those that were lost too."""
        return self._sending.sent

    @property
    def all_sent(self) -> bool:
        """Whether the last block has gone out: where nothing is lost, the peer has it."""
        return self._sending.sent == len(self._sending.pieces)

    @property
    def sending(self) -> bool:
        """Whether the peer does not have all that is sent to it."""
        return self._sending.pending

    @property
    def held(self) -> bool:
        """Whether the peer has said that it takes no more blocks for now."""
        return self._sending.pending and not self._peer_window

    def reset(self) -> None:
        """Forget what is under way."""
        self._sent_before = max(self._sent_before, self._sending.sent)
        self._sending = Sending([])
        self._begin_receiving()
        self._stalls = self._tries = 0
        self._due = None

    def _begin_receiving(self) -> None:
        self._complete = self._answered = False
        self._seen.clear()
        self._data.clear()

    def send(self, apdu: bytes, max_apdu: int, now: float) -> list[bytes]:
        """Begin to send an APDU in APDUs of at most `max_apdu` octets.  Raises LocalProtocolError when that cannot be.

        What has arrived before is acknowledged with it: an answer acknowledges its request.
        """
        self._sent_before = max(self._sent_before, self._sending.sent)
        self._sending = Sending(_pieces(apdu, max_apdu))
        self._answered, self._repeated = True, -1
        self._peer_window = max(1, self._peer_window)  # the first block tells anew how many the peer takes
        self._stalls = self._tries = 0
        blocks = self._turn()
        self._arm(now)
        return blocks

    def receive(self, block: GeneralBlockTransfer, now: float) -> list[bytes]:
        """Take a block.  Raises RemoteProtocolError, and forgets the transfer, when the peer breaks the rules.

        One that acknowledges what was sent before the last `reset` has come too late, and is left out.
        """
        if self._sending.sent < block.block_number_ack <= self._sent_before:
            return []
        before, held = (self._sending.acknowledged, len(self._seen)), self.held
        try:
            self._acknowledge(block)
            if block.block_data and self._is_of_another(block):
                # the peer wants no more of what went to it; what it sent last may be acknowledged with what is sent next
                self._sending.pieces = []
                before = before[0], before[1] if not self._complete else 0
                self._begin_receiving()
            self._store(block)
            self._check_progress(before, block)
        except RemoteProtocolError:
            self.reset()
            raise
        again = self._sending.acknowledged == before[0] and not held
        answer = [] if block.streaming else self._our_turn(bool(block.block_data), again)
        if answer or not (self._sending.pending and again):
            self._arm(now)  # what is asked for again and again and not sent is due at its time all the same
        return answer

    def handle_timeout(self, now: float) -> list[bytes]:
        """Act again when the other end has been silent for too long, as often as `retries` says."""
        if self._due is None or now < self._due:
            return []
        self._tries += 1
        if self._tries > self.retries:
            self._due = None
            return []
        self._arm(now)
        return self._turn() if self._sending.pending else [self.acknowledgement()]

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, None when nothing is waited for."""
        return self._due

    def take(self) -> bytes | None:
        """The APDU that has arrived, once; None while none has."""
        if not self._complete or not self._data:
            return None
        whole = bytes(self._data)
        self._data.clear()
        return whole

    def _arm(self, now: float) -> None:
        if self.wait_s is None:
            return
        if self._sending.pending:
            self._due = now + SENDER_PATIENCE * self.wait_s
        else:
            self._due = now + self.wait_s if self._seen and not self._complete else None

    def _is_of_another(self, block: GeneralBlockTransfer) -> bool:
        """Whether the peer has begun a new transfer, be it that its first block was lost.

        Where the layer below may bring a block twice, one that has come before belongs to the old one as long as that is not
        answered, and the answer acknowledged.
        """
        again = 0 < block.block_number <= len(self._seen) and self._seen[block.block_number - 1] == hash(
            block.block_data
        )
        if self._complete:
            old = again and self.wait_s is not None and (self._sending.pending or not self._answered)
            return not self._data and not old
        return block.block_number == 1 and bool(self._seen) and not again

    def _acknowledge(self, block: GeneralBlockTransfer) -> None:
        sending = self._sending
        if block.block_number_ack > sending.sent:
            raise RemoteProtocolError(f"block {block.block_number_ack} acknowledged, {sending.sent} were sent")
        if block.window or (sending.pending and block.block_number_ack >= sending.acknowledged):
            self._peer_window = block.window
        sending.acknowledged = max(sending.acknowledged, block.block_number_ack)

    def _store(self, block: GeneralBlockTransfer) -> None:
        """Keep a block that is next; one that is repeated, or behind a gap, is left out."""
        number, octets, received = block.block_number, block.block_data, len(self._seen)
        if self._complete:
            return
        if not octets:
            if block.last_block and received and number == received + 1:
                raise RemoteProtocolError("the peer aborted the block transfer")
            return  # nothing but an acknowledgement
        if number < 1 or (number <= received and self._seen[number - 1] != hash(octets)):
            raise RemoteProtocolError(f"block {number} with other data than before, {received + 1} was due")
        if number != received + 1:
            return
        if received >= MAX_BLOCKS or len(self._data) + len(octets) > MAX_TRANSFER:
            raise RemoteProtocolError(f"a block transfer of more than {MAX_TRANSFER} octets or {MAX_BLOCKS} blocks")
        self._seen.append(hash(octets))
        self._data += octets
        self._complete, self._answered = block.last_block, False

    def _check_progress(self, before: tuple[int, int], block: GeneralBlockTransfer) -> None:
        """Turns that bring nothing end the transfer, if there are too many in a row."""
        if self._sending.acknowledged > before[0] or len(self._seen) > before[1]:
            self._stalls = self._tries = 0
        elif not block.streaming and (self._sending.pending or (self._seen and not self._complete)):
            self._stalls += 1
            if self._stalls > MAX_STALLS:
                raise RemoteProtocolError(f"a block transfer without progress in {MAX_STALLS} turns")

    def _our_turn(self, owed: bool, again: bool) -> list[bytes]:
        """More blocks of ours, else an acknowledgement: `owed` when data came, even if none of it could be kept.

        The last block is acknowledged by what answers it; where it may be lost, also without an answer.  There a turn that is
        asked for `again` is given once, then only in time: what comes twice must not be answered twice for ever.  And a block
        behind a gap is no reason to speak before anything has come: it may be one of the transfer before.
        """
        lossy, sending = self.wait_s is not None, self._sending
        if sending.pending:
            if lossy and again and self._repeated == sending.acknowledged:
                return []
            self._repeated = sending.acknowledged if again else -1
            return self._turn()
        if self._complete:
            wanted = owed and lossy
        else:
            wanted = bool(self._seen) or (owed and not lossy)
        return [self.acknowledgement()] if wanted else []

    def acknowledgement(self) -> bytes:
        """A block that says what has arrived, and no more."""
        return encode(GeneralBlockTransfer(LAST | self.own_window, self._sending.sent + 1, len(self._seen), b""))

    def _turn(self) -> list[bytes]:
        """The next window of blocks, from behind the last acknowledged one.

        Where blocks may be lost, the first goes alone: then none that follows is taken for one of an older transfer.
        """
        sending = self._sending
        first = sending.acknowledged
        window = min(1, self._peer_window) if self.wait_s is not None and not first else self._peer_window
        pieces = sending.pieces[first : first + window]
        sending.sent = max(sending.sent, first + len(pieces))
        return [
            encode(GeneralBlockTransfer(self._control(number, first + len(pieces)), number, len(self._seen), piece))
            for number, piece in enumerate(pieces, first + 1)
        ]

    def _control(self, number: int, last_of_turn: int) -> int:
        last = LAST if number == len(self._sending.pieces) else 0
        return self.own_window | last | (STREAMING if number < last_of_turn else 0)


class BlockStream:
    """The receiving end of blocks that nobody acknowledges, as a push has them: what is lost stays lost."""

    def __init__(self) -> None:
        self._received = 0
        self._data = bytearray()

    def reset(self) -> None:
        """Forget what has come."""
        self._received = 0
        self._data.clear()

    def receive(self, block: GeneralBlockTransfer) -> bytes | None:
        """The APDU that this block completes, None when it completes none.  Raises RemoteProtocolError, and forgets it."""
        if block.block_number == 1:
            self.reset()
        if block.block_number != self._received + 1:
            self.reset()
            return None
        if block.block_number_ack or len(self._data) + len(block.block_data) > MAX_TRANSFER:
            self.reset()
            raise RemoteProtocolError(
                f"a block without window that acknowledges {block.block_number_ack}, or more than {MAX_TRANSFER} octets"
            )
        self._received += 1
        self._data += block.block_data
        if not block.last_block:
            return None
        whole = bytes(self._data)
        self.reset()
        return whole


def unconfirmed(block: GeneralBlockTransfer) -> bool:
    """Whether the sender of this block wants no acknowledgement: it takes none, and does not give the turn away."""
    return bool(block.block_data) and not block.window and (block.streaming or block.last_block)


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
