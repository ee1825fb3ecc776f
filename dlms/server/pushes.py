"""Notifications in general blocks that the client acknowledges: lost blocks are sent again, and the end is told.

One is under way at a time, the oldest first.  Blocks do not say to which transfer they belong, and a client forgets half a
notification when it asks for something: a request interrupts a push, which begins anew behind the answer, protected anew, for
its counter must not be older than that of the answer.  Green Book, general block transfer.  Sans-IO.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable

from dlms.apdu import GeneralBlockTransfer
from dlms.codec import Record
from dlms.errors import DlmsError, LinkError
from dlms.framing import Peer
from dlms.general_block import BlockTransfer
from dlms.limits import MAX_PUSHES, RESPONSE_TIMEOUT_S, RETRIES


@dataclasses.dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a notification whose blocks a client was to acknowledge: whether it has all of them."""

    peer: Peer
    apdu: Record
    acknowledged: bool


class Pushes:
    """The acknowledged notifications of one association.

    `seal` makes the octets of one as they go out now, `window` is how many blocks this end takes in a row.  Where the layer
    below is `reliable` nothing is sent again: a client that takes no block for `RESPONSE_TIMEOUT_S` has not got it.
    """

    def __init__(self, window: int, seal: Callable[[Record], bytes], *, reliable: bool) -> None:
        retries = 0 if reliable else RETRIES
        self._blocks = BlockTransfer(window, wait_s=RESPONSE_TIMEOUT_S / (retries + 1), retries=retries)
        self._seal = seal
        self._waiting: deque[tuple[Record, int]] = deque()
        self._under_way = False
        self._held_until: float | None = None
        self._crossing = 0
        """Blocks that had gone out when a request interrupted: its own blocks may acknowledge them."""
        self._ended: list[tuple[Record, bool]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, apdu: Record, max_apdu: int) -> None:
        """One more, in APDUs of at most `max_apdu` octets.  Raises LinkError when too many wait."""
        if len(self._waiting) >= MAX_PUSHES:
            raise LinkError(f"{MAX_PUSHES} notifications wait to be sent already")
        self._waiting.append((apdu, max_apdu))

    def begin(self, now: float) -> list[bytes]:
        """The first blocks of the oldest, where none is under way; one that cannot be sent has ended."""
        self._held_until = None
        while self._waiting and not self._under_way:
            apdu, max_apdu = self._waiting[0]
            try:
                pieces = self._blocks.send(self._seal(apdu), max_apdu, now)
            except DlmsError:
                self._end(False)
            else:
                self._under_way = True
                return pieces
        return []

    def hold(self, now: float) -> None:
        """Blocks of a request or of its answer are under way: what waits begins behind them, or when they do not go on."""
        self._held_until = now + RESPONSE_TIMEOUT_S if self._waiting and not self._under_way else None

    def interrupt(self) -> None:
        """A request has come."""
        self._crossing = self._blocks.sent if self._under_way else 0
        self._under_way, self._held_until = False, None
        self._blocks.reset()

    def without_crossing(self, block: GeneralBlockTransfer, sent: int) -> GeneralBlockTransfer:
        """A block of a request whose answer has `sent` blocks so far, without an acknowledgement that is meant for a push."""
        crossing = sent < block.block_number_ack <= self._crossing
        return dataclasses.replace(block, block_number_ack=0) if crossing else block

    def takes(self, block: GeneralBlockTransfer) -> bool:
        """Whether a block is an acknowledgement of what is under way."""
        return self._under_way and not block.block_data

    def receive(self, block: GeneralBlockTransfer, now: float) -> list[bytes]:
        """What goes out behind an acknowledgement: blocks that are missing, more of them, or the next notification."""
        if block.block_number_ack > self._blocks.sent:
            return []  # of something else
        try:
            pieces = self._blocks.receive(block, now)
        except DlmsError:  # it takes turns without end, and no blocks
            self._end(False)
            return self.begin(now)
        if self._blocks.sending:
            return pieces
        self._end(True)
        return self.begin(now)

    def handle_timeout(self, now: float) -> list[bytes]:
        """Blocks again that were not acknowledged in time; the next notification when there is no hope for this one."""
        if self._held_until is not None:
            return self.begin(now) if now >= self._held_until else []
        pieces = self._blocks.handle_timeout(now)
        if self._under_way and self._blocks.next_timeout() is None:
            self._end(False)
            return self.begin(now)
        return pieces

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due, None when nothing is waited for."""
        return self._blocks.next_timeout() if self._held_until is None else self._held_until

    def reset(self) -> None:
        """The association is gone, and with it whatever waits."""
        while self._waiting:
            self._end(False)

    def ended(self, peer: Peer) -> list[Pushed]:
        """What has ended since the last call."""
        ended, self._ended = self._ended, []
        return [Pushed(peer, apdu, acknowledged) for apdu, acknowledged in ended]

    def _end(self, acknowledged: bool) -> None:
        self.interrupt()
        apdu, _ = self._waiting.popleft()
        self._ended.append((apdu, acknowledged))
