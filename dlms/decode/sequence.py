"""Sequence numbers of I frames in a capture: which frame came before, and which is missing."""

from __future__ import annotations

import dataclasses

from hdlc.frame import Frame

MODULUS = 8
"""N(S) counts modulo this."""


@dataclasses.dataclass(slots=True)
class Sequence:
    """The I frames of one sender to one receiver.

    `due` is the N(S) of the next new one, None before the first one of a capture that begins in the middle.  `sent` is
    what the last frame with each number held: its information, and whether it was segmented.
    """

    due: int | None = None
    sent: dict[int, tuple[bytes, bool]] = dataclasses.field(default_factory=dict)

    def repeats(self, frame: Frame) -> bool:
        """Whether a frame came before.

        Where several of the last frames held the same, only the one right before counts: any other may as well be a
        new frame behind a gap.
        """
        content = frame.info, frame.segmented
        if self.due is None or frame.send_sequence == self.due or self.sent.get(frame.send_sequence) != content:
            return False
        right_before = frame.send_sequence == (self.due - 1) % MODULUS
        return right_before or list(self.sent.values()).count(content) == 1

    def take(self, frame: Frame) -> int | None:
        """Take a frame that did not come before: the number that was due where it is not this one."""
        number, due = frame.send_sequence, self.due
        gap = due is not None and due != number
        if gap:
            self.sent.clear()
        self.sent[number] = frame.info, frame.segmented
        self.due = (number + 1) % MODULUS
        return due if gap else None
