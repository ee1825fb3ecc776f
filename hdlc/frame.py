"""One frame: its kinds, its control octet, and its octets between two flags.

    format 2 | destination 1-4 | source 1-4 | control 1 | HCS 2 | information | FCS 2

The format holds the type (3), the segmentation bit and the length of all of it. HCS and information come together or
not at all. Green Book, data link layer using HDLC; ISO/IEC 13239, frame format type 3.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hdlc.address import Address, decode_address
from hdlc.errors import Fault, FrameError
from hdlc.fcs import fcs_octets, verifies
from hdlc.limits import MAX_FRAME, MIN_FRAME

FLAG = b"\x7e"


class Kind(enum.IntEnum):
    """What a frame is. The number is its control octet with P/F and sequence numbers zero."""

    I = 0x00  # noqa: E741 - the standard's name
    """Information, numbered."""
    RR = 0x01
    """Receive ready."""
    RNR = 0x05
    """Receive not ready."""
    SNRM = 0x83
    """Set normal response mode: connect."""
    DISC = 0x43
    """Disconnect."""
    UA = 0x63
    """Unnumbered acknowledge."""
    DM = 0x0F
    """Disconnected mode."""
    FRMR = 0x87
    """Frame reject."""
    UI = 0x03
    """Unnumbered information."""
    UNKNOWN = -1
    """A control octet that DLMS does not use; the frame's `unknown_control` holds it."""


POLL_FINAL = 0x10
NUMBERED = (Kind.RR, Kind.RNR)
UNNUMBERED = (Kind.SNRM, Kind.DISC, Kind.UA, Kind.DM, Kind.FRMR, Kind.UI)


def _classify(octet: int) -> tuple[Kind, int, int, bool]:
    """Kind, N(S), N(R) and P/F of one control octet."""
    poll_final = bool(octet & POLL_FINAL)
    if not octet & 1:
        return Kind.I, octet >> 1 & 7, octet >> 5, poll_final
    if (octet & 0x0F) in NUMBERED:
        return Kind(octet & 0x0F), 0, octet >> 5, poll_final
    if (octet & ~POLL_FINAL) in UNNUMBERED:
        return Kind(octet & ~POLL_FINAL), 0, 0, poll_final
    return Kind.UNKNOWN, 0, 0, poll_final


CONTROLS = tuple(map(_classify, range(256)))
"""Control octet -> (kind, N(S), N(R), P/F)."""

CONTROL_OCTETS = {meaning: bytes((octet,)) for octet, meaning in enumerate(CONTROLS) if meaning[0] != Kind.UNKNOWN}
"""(kind, N(S), N(R), P/F) -> control octet."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of any kind.

    Sequence numbers count modulo 8: `send_sequence` N(S) is used by I, `receive_sequence` N(R) by I, RR and RNR, and
    both must be 0 elsewhere. `poll_final` is P in a command, F in a response. `segmented` says that more of the same
    message follows. `unknown_control` is the octet of a frame of Kind.UNKNOWN.
    """

    kind: Kind
    destination: Address
    source: Address
    info: bytes = b""
    send_sequence: int = 0
    receive_sequence: int = 0
    poll_final: bool = True
    segmented: bool = False
    unknown_control: int | None = None

    @property
    def control(self) -> int:
        """The control octet."""
        return self._control()[0]

    def encode(self) -> bytes:
        """The octets of the frame with both flags. Raises FrameError for what no frame can say."""
        info = self.info
        head = self.destination.octets + self.source.octets + self._control()
        length = len(head) + len(info) + 6 if info else len(head) + 4
        if length > MAX_FRAME:
            raise FrameError(f"a frame of {length} octets: the length subfield ends at {MAX_FRAME}")
        head = ((0xA800 if self.segmented else 0xA000) | length).to_bytes(2, "big") + head
        if info:
            head += fcs_octets(head) + info
        return FLAG + head + fcs_octets(head) + FLAG

    def _control(self) -> bytes:
        known = CONTROL_OCTETS.get((self.kind, self.send_sequence, self.receive_sequence, self.poll_final))
        if known is not None:
            return known
        octet = self.unknown_control
        if self.kind != Kind.UNKNOWN or octet is None or not 0 <= octet <= 0xFF:
            raise FrameError(
                f"no control octet for {self.kind.name} with N(S)={self.send_sequence}, N(R)={self.receive_sequence}, "
                f"unknown_control={octet}"
            )
        return bytes((octet,))


def decode_frame(body: bytes) -> Frame:
    """The frame whose octets between the flags are `body`.

    Raises FrameError with the offset and, as `fault`, the first of FORMAT, LENGTH, ADDRESS, SHORT, HCS, FCS that is
    wrong. A control octet that is not used is no error: the frame is of Kind.UNKNOWN.
    """
    destination, source, at, start = decode_header(body, len(body))
    if not verifies(body):
        raise FrameError("the frame check sequence does not verify", body, len(body) - 2, Fault.FCS)
    octet = body[at]
    kind, send_sequence, receive_sequence, poll_final = CONTROLS[octet]
    return Frame(
        kind,
        destination,
        source,
        body[start:-2],
        send_sequence,
        receive_sequence,
        poll_final,
        body[0] & 0x08 != 0,
        octet if kind == Kind.UNKNOWN else None,
    )


def decode_header(data: bytes, length: int) -> tuple[Address, Address, int, int]:
    """Destination, source, and the offsets of the control octet and of the information field.

    `data` is the frame from its format field on, perhaps only the beginning of it; `length` is what its length
    subfield must say. Raises FrameError; Fault.SHORT where `data` ends before the header does.
    """
    if len(data) < 2:
        raise FrameError("the format field is cut off", data, 0, Fault.SHORT)
    if data[0] & 0xF0 != 0xA0:
        raise FrameError("the frame format type is not 3", data, 0, Fault.FORMAT)
    if (data[0] & 0x07) << 8 | data[1] != length or length < MIN_FRAME:
        raise FrameError(f"the length subfield does not fit a frame of {length} octets", data, 0, Fault.LENGTH)
    destination, pos = decode_address(data, 2)
    source, at = decode_address(data, pos)
    after = length - at - 1
    if after == 2:
        return destination, source, at, at + 1
    if after < 4:
        raise FrameError(f"{after} octets after the control octet are too few", data, at, Fault.LENGTH)
    start = at + 3
    if len(data) < start:
        raise FrameError("the header is cut off", data, len(data), Fault.SHORT)
    if not verifies(data[:start]):
        raise FrameError("the header check sequence does not verify", data, at + 1, Fault.HCS)
    return destination, source, at, start
