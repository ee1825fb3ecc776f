"""Finds frames in octets as they arrive: in any pieces, between noise, damaged or not.

Why it is not a search for two flags: there is no octet stuffing, so 0x7E may stand anywhere inside a frame, its check
sequence included, and one flag may close a frame and open the next. The end of a frame follows from its length
subfield, and since that may be damaged too, it is believed only as far as the header check sequence confirms it:

- a flag followed by an octet Ax is a candidate; everything else is noise
- a header that is wrong ends the candidate at once, whatever length it claims; the search goes on at the next flag
- a frame whose header verifies and whose frame check does not is skipped whole, so that a line full of such frames
  costs no more than one pass over it
- a candidate of which octets are missing waits; `drop_partial` ends the wait when the line has fallen silent
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from hdlc.errors import Fault, FrameError
from hdlc.frame import FLAG, Frame, decode_frame, decode_header
from hdlc.limits import MAX_FRAME

MAX_HEADER = 13
"""Format, two addresses of four octets, control, HCS; also the longest frame without an information field."""

MAX_PENDING = MAX_FRAME + 1
"""What a reader keeps at most once `next_item` has returned None: one unfinished frame and its opening flag."""

_CANDIDATE = re.compile(rb"\x7e[\xa0-\xaf]")

_SEEN = {Fault.LENGTH: 0, Fault.ADDRESS: 3, Fault.HCS: 2}
"""How many octets from its offset on a fault of the header is known by, however the octets arrive."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Octets that began like a frame and are none: `data` without the flag, `fault`, and `reason` in words."""

    data: bytes
    fault: Fault
    reason: str


class FrameReader:
    """Octets in, frames out. Nothing received raises.

    Feed, then take items until there is None, which always means "not yet". Every octet fed ends up in exactly one
    frame, in one Damaged, in `noise_octets`, or was a flag.
    """

    def __init__(self) -> None:
        self.noise_octets = 0
        self.damaged_frames = 0
        self._box = bytearray()
        self._start = 0  # everything before it is done with
        self._wanted = 0  # length of the box below which looking again is pointless
        self._header_verified = False  # of the candidate at _start
        self._ready: deque[Frame | Damaged] = deque()

    @property
    def pending(self) -> int:
        """Octets of an unfinished frame, its flag not counted. Meaningful once `next_item` has returned None."""
        return max(0, len(self._box) - self._start - 1)

    def feed(self, data: bytes) -> None:
        """Take octets from the line."""
        if self._start:
            del self._box[: self._start]
            self._wanted -= self._start
            self._start = 0
        self._box += data

    def next_frame(self) -> Frame | None:
        """The next good frame; None when more octets are needed. Damaged ones are counted and skipped."""
        while (item := self.next_item()) is not None:
            if isinstance(item, Frame):
                return item
        return None

    def next_item(self) -> Frame | Damaged | None:
        """The next frame, good or damaged; None when more octets are needed."""
        return self._ready.popleft() if self._ready else self._scan()

    def drop_partial(self) -> None:
        """Give up an unfinished frame: call it when the line has been silent for the inter-octet timeout.

        What was kept becomes Damaged with Fault.PARTIAL; frames that a false start had hidden are found by
        `next_item` as usual. The last closing flag is forgotten too: a frame after a silence brings its own.
        """
        while True:
            while (item := self._scan()) is not None:
                self._ready.append(item)
            if not self.pending:
                break
            fault = FrameError("the octets stopped within the frame", fault=Fault.PARTIAL)
            self._ready.append(self._damaged(self._start, fault, self.pending))
        self._box.clear()
        self._start = self._wanted = 0

    def _scan(self) -> Frame | Damaged | None:
        box = self._box
        if len(box) < self._wanted:
            return None
        found = _CANDIDATE.search(box, self._start)
        if found is None:
            self._skip_to(len(box) - box.endswith(FLAG))
            return None
        at = found.start()
        del found  # it holds the box, which could not grow
        if at != self._start:
            self._skip_to(at)
        return self._candidate(at)

    def _candidate(self, at: int) -> Frame | Damaged | None:
        """The frame whose opening flag is at `at`."""
        box = self._box
        if len(box) < at + 3:
            self._wanted = at + 3
            return None
        length = (box[at + 1] & 0x07) << 8 | box[at + 2]
        end = at + 1 + length
        try:
            if end < len(box) and box[end] == FLAG[0]:
                frame = decode_frame(bytes(box[at + 1 : end]))
                self._advance(end)
                return frame
            if not self._header_verified:
                decode_header(bytes(box[at + 1 : min(end, at + 1 + MAX_HEADER)]), length)
        except FrameError as fault:
            if fault.fault is Fault.SHORT and len(fault.data) < length:
                self._wanted = len(box) + 1
                return None
            return self._damaged(at, fault, length)
        if end < len(box):
            return self._damaged(at, FrameError("no flag where the frame ends", fault=Fault.FLAG), length)
        self._header_verified = True
        self._wanted = end + 1
        return None

    def _damaged(self, at: int, fault: FrameError, length: int) -> Damaged:
        """Report the candidate at `at` and go on behind what is known to be wrong of it."""
        first = at + 1
        if fault.fault is Fault.FCS and length > MAX_HEADER:
            stop = first + length  # the header check vouches for the length
        else:
            known = length if fault.fault not in _SEEN else max(2, (fault.offset or 0) + _SEEN[fault.fault])
            flag = self._box.find(FLAG, first, first + known)
            stop = first + known if flag < 0 else flag
        self.damaged_frames += 1
        self._advance(stop)
        return Damaged(bytes(self._box[first:stop]), fault.fault, fault.what)

    def _advance(self, start: int) -> None:
        self._start = start
        self._wanted = 0
        self._header_verified = False

    def _skip_to(self, start: int) -> None:
        self.noise_octets += start - self._start - self._box.count(FLAG, self._start, start)
        self._advance(start)
