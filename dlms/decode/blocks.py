"""General-block-transfer in a capture: the blocks of one sender joined to the APDU that they carry."""

from __future__ import annotations

import dataclasses

from dlms.apdu.block_transfer import GeneralBlockTransfer
from dlms.limits import MAX_TRANSFER


@dataclasses.dataclass(slots=True)
class Blocks:
    """The blocks of one sender so far, from number 1 without a gap."""

    data: list[bytes] = dataclasses.field(default_factory=list)
    octets: int = 0

    def add(self, block: GeneralBlockTransfer) -> str | None:
        """Take a block; the reason where it is not taken.  Another first block begins another transfer."""
        before = self.data[block.block_number - 1] if 0 < block.block_number <= len(self.data) else None
        if before == block.block_data:
            return "this block came before"
        if block.block_number == 1:
            self.data, self.octets = [], 0
        elif before is not None:
            return "this block came before, with other content"
        if block.block_number != len(self.data) + 1:
            return f"block {len(self.data) + 1} is missing"
        if self.octets + len(block.block_data) > MAX_TRANSFER:
            return "the transfer is too large"
        self.data.append(block.block_data)
        self.octets += len(block.block_data)
        return None

    def joined(self) -> bytes:
        """What the blocks carry."""
        return b"".join(self.data)
