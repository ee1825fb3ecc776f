"""Wired M-Bus as DLMS/COSEM meters push over it: long frames, and the messages that they carry in pieces.

    68 L L 68 | C A CI data | checksum 16        L counts C to the end of data, the checksum is their sum modulo 256

With CI 00 to 1F the data are a source SAP, a destination SAP and a piece of an APDU; CI bit 4 marks the last piece, bits
0 to 3 number them.  EN 13757-2, frame format FT 1.2; EN 13757-1 and -3, the CI values of the DLMS application.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

from dlms.errors import LocalProtocolError
from dlms.limits import MAX_APDU

START, STOP = 0x68, 0x16
MIN_LENGTH, MAX_LENGTH = 3, 255
OVERHEAD = 6
"""Octets of a frame that its length does not count."""
LAST_DLMS_CI = 0x1F
MAX_OPEN = 16
"""Messages of which the last piece may be outstanding at one time."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One long frame; `data` is what stands behind the CI field, at most 252 octets."""

    control: int
    address: int
    ci: int
    data: bytes

    @property
    def carries_dlms(self) -> bool:
        """Whether the CI field announces a piece of an APDU, and both SAPs are there."""
        return self.ci <= LAST_DLMS_CI and len(self.data) >= 2

    @property
    def sequence(self) -> int:
        """Number of the piece, modulo 16."""
        return self.ci & 0x0F

    @property
    def final(self) -> bool:
        """Whether it is the last piece of its message."""
        return bool(self.ci & 0x10)

    @property
    def piece(self) -> bytes:
        """The octets of APDU behind the two SAPs."""
        return self.data[2:]

    def encode(self) -> bytes:
        """The octets of the frame.  Raises LocalProtocolError for data that no frame holds."""
        if len(self.data) + MIN_LENGTH > MAX_LENGTH:
            raise LocalProtocolError(f"{len(self.data)} octets do not fit in an M-Bus frame")
        body = bytes((self.control, self.address, self.ci)) + self.data
        return bytes((START, len(body), len(body), START)) + body + bytes((checksum(body), STOP))


@dataclass(frozen=True, slots=True)
class Damaged:
    """Octets that began like a frame and are none; `reason` says why."""

    data: bytes
    reason: str


class Message(NamedTuple):
    """One APDU, the SAPs it travels between, and how many frames it took."""

    source: int
    destination: int
    apdu: bytes
    frames: int


def checksum(body: bytes) -> int:
    """The check octet over C to the end of the data."""
    return sum(body) & 0xFF


class FrameReader:
    """Octets in, long frames out.  Nothing received raises; what is no frame is counted.

    The length stands twice between two start octets, so a frame with that head and a stop octet in its place is
    skipped whole when only its checksum is wrong.  Where the stop octet is missing, octets were lost, and the search
    goes on right behind the first start octet.
    """

    def __init__(self) -> None:
        self.noise_octets = 0
        self.damaged_frames = 0
        self._box = bytearray()
        self._at = 0

    @property
    def pending(self) -> int:
        """Octets not used yet; once `next_item` has returned None those of an unfinished frame, at most 260."""
        return len(self._box) - self._at

    def feed(self, data: bytes) -> None:
        """Take octets from the line."""
        del self._box[: self._at]
        self._at = 0
        self._box += data

    def next_frame(self) -> Frame | None:
        """The next good frame; None when more octets are needed.  Damaged ones are counted and skipped."""
        while (item := self.next_item()) is not None:
            if isinstance(item, Frame):
                return item
        return None

    def next_item(self) -> Frame | Damaged | None:
        """The next frame, good or damaged; None when more octets are needed."""
        box = self._box
        while True:
            start = box.find(START, self._at)
            self._skip_to(len(box) if start < 0 else start)
            head = box[self._at : self._at + 4]
            if not self._opens(head):
                self._skip_to(self._at + 1)
            elif len(head) < 4 or self.pending < head[1] + OVERHEAD:
                return None
            else:
                return self._item(head[1] + OVERHEAD)

    def drop_partial(self) -> Damaged | None:
        """Give up an unfinished frame, when the line has fallen silent; what it hid is found by `next_item`.

        Up to three octets are no frame yet but noise, and the answer is None.
        """
        if self.pending >= 4:
            return self._damaged(self.pending, 1, "the octets stopped within the frame")
        self._skip_to(len(self._box))
        return None

    @staticmethod
    def _opens(head: bytearray) -> bool:
        """Whether up to four octets may be the head of a frame.  No octets may."""
        if len(head) > 1 and head[1] < MIN_LENGTH:
            return False
        return (len(head) < 3 or head[1] == head[2]) and (len(head) < 4 or head[3] == START)

    def _item(self, size: int) -> Frame | Damaged:
        body = bytes(self._box[self._at + 4 : self._at + size - 2])
        check, stop = self._box[self._at + size - 2 : self._at + size]
        if stop != STOP:
            return self._damaged(size, 1, f"{stop:02x} stands where the frame ends, {STOP:02x} wanted")
        if check != checksum(body):
            return self._damaged(size, size, f"checksum {check:02x}, {checksum(body):02x} wanted")
        self._at += size
        return Frame(body[0], body[1], body[2], body[3:])

    def _damaged(self, size: int, known: int, reason: str) -> Damaged:
        """Report `size` octets and go on behind the first `known` of them."""
        data = bytes(self._box[self._at : self._at + size])
        self._at += known
        self.damaged_frames += 1
        return Damaged(data, reason)

    def _skip_to(self, at: int) -> None:
        self.noise_octets += at - self._at
        self._at = at


class Joiner:
    """Frames in, whole messages out: pieces of one sender and one pair of SAPs, in the order of their numbers."""

    def __init__(self) -> None:
        self.dropped = 0
        """Pieces that belong to no message that can be completed."""
        self._open: OrderedDict[tuple[int, int, int], tuple[list[bytes], int]] = OrderedDict()

    def add(self, frame: Frame) -> Message | None:
        """The message that this frame completes, None when it completes none."""
        if not frame.carries_dlms:
            self.dropped += 1
            return None
        source, destination = frame.data[0], frame.data[1]
        key = frame.address, source, destination
        pieces, octets = self._open.pop(key, ([], 0))
        if frame.sequence != len(pieces) & 0x0F:
            self.dropped += len(pieces)
            pieces, octets = [], 0
            if frame.sequence:
                self.dropped += 1
                return None
        pieces.append(frame.piece)
        if frame.final:
            return Message(source, destination, b"".join(pieces), len(pieces))
        self._keep(key, pieces, octets + max(1, len(frame.piece)))
        return None

    @property
    def unfinished(self) -> int:
        """Pieces that still wait for the last one of their message."""
        return sum(len(pieces) for pieces, _ in self._open.values())

    def _keep(self, key: tuple[int, int, int], pieces: list[bytes], octets: int) -> None:
        """Keep what waits for its last piece; an empty piece counts for one octet, so that they end too."""
        if octets > MAX_APDU:
            self.dropped += len(pieces)
            return
        self._open[key] = pieces, octets
        if len(self._open) > MAX_OPEN:
            _, (oldest, _) = self._open.popitem(last=False)
            self.dropped += len(oldest)


class MbusReader:
    """Takes bytes, gives (source SAP, destination SAP, APDU): what a listener to pushes over M-Bus needs."""

    def __init__(self) -> None:
        self.frames = FrameReader()
        self.joiner = Joiner()
        self._ready: deque[Message] = deque()

    def feed(self, data: bytes) -> None:
        """Add bytes from the medium."""
        self.frames.feed(data)
        while (frame := self.frames.next_frame()) is not None:
            message = self.joiner.add(frame)
            if message is not None:
                self._ready.append(message)

    def next_apdu(self) -> tuple[int, int, bytes] | None:
        """The oldest complete APDU, None when none is complete."""
        if not self._ready:
            return None
        message = self._ready.popleft()
        return message.source, message.destination, message.apdu
