"""General-block-transfer in a capture: the blocks of one sender joined to the APDU that they carry."""

from __future__ import annotations

import dataclasses
from typing import Any

from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.decode.tree import Layer
from dlms.limits import MAX_TRANSFER


@dataclasses.dataclass(slots=True)
class Blocks:
    """One transfer of one sender so far: its blocks from number `first` on without a gap.

    `last` is the fields of the block taken last.  `behind_gap` is the layer of the first block that came where another
    one was due, None when none did or the missing one was sent again.
    """

    first: int
    data: list[bytes] = dataclasses.field(default_factory=list)
    octets: int = 0
    ended: bool = False
    last: dict[str, Any] = dataclasses.field(default_factory=dict)
    behind_gap: Layer | None = None

    @property
    def due(self) -> int:
        """The number of the next block."""
        return self.first + len(self.data)

    def continues(self, block: GeneralBlockTransfer) -> bool:
        """Whether a block belongs to this transfer, be it repeated or behind a gap, and not to another one."""
        before = self._before(block)
        if before is not None:
            return before == block.block_data and not (self.ended and block.block_number == 1)
        return not self.ended and block.block_number >= max(self.due, 2)

    def contradicted_by(self, block: GeneralBlockTransfer) -> bool:
        """Whether a block comes in the middle of this transfer again, with other content."""
        return not self.ended and block.block_number != 1 and self._before(block) not in (None, block.block_data)

    def add(self, block: GeneralBlockTransfer) -> str | None:
        """Take a block that continues this transfer; the reason where it is not taken."""
        if block.block_number < self.due:
            return "this block came before"
        if block.block_number > self.due:
            return f"block {self.due} is missing"
        if self.octets + len(block.block_data) > MAX_TRANSFER:
            return "the transfer is too large"
        self.data.append(block.block_data)
        self.octets += len(block.block_data)
        self.ended = block.last_block
        return None

    def _before(self, block: GeneralBlockTransfer) -> bytes | None:
        """What came as this block before."""
        at = block.block_number - self.first
        return self.data[at] if 0 <= at < len(self.data) else None
