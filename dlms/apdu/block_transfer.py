"""General-block-transfer: any APDU in pieces.  Green Book, General-Block-Transfer."""

from __future__ import annotations

from typing import Any

from dlms.codec import OCTETS, U8, U16, Record, record


@record
class GeneralBlockTransfer(Record, prefix="E0"):
    """One block.  `control`: bit 7 last block, bit 6 streaming (more follow unasked), bits 0-5 window."""

    control: U8
    block_number: U16
    block_number_ack: U16
    block_data: OCTETS

    @property
    def last_block(self) -> bool:
        """Whether this is the last block."""
        return bool(self.control & 0x80)

    @property
    def streaming(self) -> bool:
        """Whether more blocks follow without an acknowledgement."""
        return bool(self.control & 0x40)

    @property
    def window(self) -> int:
        """How many blocks the sender of this one can take in a row."""
        return self.control & 0x3F

    def to_json(self) -> dict[str, Any]:
        """The control octet, opened."""
        return {
            "last_block": self.last_block,
            "streaming": self.streaming,
            "window": self.window,
            "block_number": self.block_number,
            "block_number_ack": self.block_number_ack,
            "block_data": self.block_data.hex(),
        }

    @classmethod
    def from_json(cls, value: Any) -> GeneralBlockTransfer:
        """The inverse of `to_json`."""
        control = value["last_block"] << 7 | value["streaming"] << 6 | value["window"]
        return cls(control, value["block_number"], value["block_number_ack"], bytes.fromhex(value["block_data"]))
