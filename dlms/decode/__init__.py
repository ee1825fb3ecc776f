"""Understanding captured octets: frames, wrapped and ciphered APDUs, bare values - with offsets, and without a fault."""

from __future__ import annotations

from dlms.decode.keys import Keys
from dlms.decode.recognise import KINDS, decode
from dlms.decode.tree import Decoded, Layer, Reading

__all__ = ["KINDS", "Decoded", "Keys", "Layer", "Reading", "decode"]
