"""Link addresses of one, two or four octets, their reserved values, and which station feels addressed.

On the wire each octet carries seven bits; its lowest bit is 1 in the last octet and 0 before:

    1 octet    uuuuuuu1                                client, or a server by its upper address alone
    2 octets   uuuuuuu0 lllllll1                       server: upper (logical device), lower (physical device)
    4 octets   uuuuuuu0 uuuuuuu0 lllllll0 lllllll1     server: the same with 14 bits each
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field

from hdlc.errors import Fault, FrameError, ParameterError


class ClientAddress(enum.IntEnum):
    """Reserved upper addresses of clients. Green Book, reserved HDLC addresses."""

    NO_STATION = 0x00
    MANAGEMENT = 0x01
    PUBLIC = 0x10
    ALL_STATION = 0x7F


class UpperAddress(enum.IntEnum):
    """Reserved upper addresses of servers: the logical device. 0x02 to 0x0F are reserved for later use."""

    NO_STATION = 0x00
    MANAGEMENT = 0x01
    ALL_STATION = 0x7F
    ALL_STATION_WIDE = 0x3FFF
    """The same in an address of four octets."""


class LowerAddress(enum.IntEnum):
    """Reserved lower addresses of servers: the physical device. 0x01 to 0x0F are reserved for later use."""

    NO_STATION = 0x00
    CALLING = 0x7E
    """The device that placed the call."""
    ALL_STATION = 0x7F
    CALLING_WIDE = 0x3FFE
    ALL_STATION_WIDE = 0x3FFF


_WIDE_UPPER = {UpperAddress.ALL_STATION.value: UpperAddress.ALL_STATION_WIDE.value}
_WIDE_LOWER = {
    LowerAddress.CALLING.value: LowerAddress.CALLING_WIDE.value,
    LowerAddress.ALL_STATION.value: LowerAddress.ALL_STATION_WIDE.value,
}


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Address:
    """One link address: `upper` alone, or `upper` and `lower`; `size` is its octets on the wire (1, 2 or 4).

    Without `size` the shortest form is taken. A decoded address keeps the size it had, so it encodes as it came:
    `Address(1, 17, size=4)` and `Address(1, 17)` are different. Raises ParameterError for a value that does not fit.
    """

    upper: int
    lower: int | None = None
    size: int = 0
    octets: bytes = field(init=False, repr=False, compare=False)

    def __init__(self, upper: int, lower: int | None = None, size: int | None = None) -> None:
        size = _shortest(upper, lower) if size is None else size
        object.__setattr__(self, "upper", upper)
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "octets", _octets(upper, lower, size))

    def encode(self) -> bytes:
        """The octets on the wire."""
        return self.octets

    @property
    def is_all_station(self) -> bool:
        """Whether more than one station is addressed: such a frame is never answered."""
        upper, lower = _values(self)
        return upper == UpperAddress.ALL_STATION_WIDE or lower == LowerAddress.ALL_STATION_WIDE

    @property
    def is_no_station(self) -> bool:
        """Whether nobody is addressed: upper address 0."""
        return self.upper == UpperAddress.NO_STATION

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Address):
            return NotImplemented
        return (self.size, self.octets) < (other.size, other.octets)

    def __str__(self) -> str:
        return f"{self.upper}" if self.lower is None else f"{self.upper}/{self.lower}"


def decode_address(data: bytes, pos: int) -> tuple[Address, int]:
    """The address at `pos` and the position behind it.

    Raises FrameError: Fault.ADDRESS for three octets or more than four, Fault.SHORT when the octets end within it.
    """
    try:
        first = data[pos]
        if first & 1:
            return _ONE_OCTET[first >> 1], pos + 1
        if data[pos + 1] & 1:
            return _from_octets(bytes(data[pos : pos + 2])), pos + 2
        if not data[pos + 2] & 1 and data[pos + 3] & 1:
            return _from_octets(bytes(data[pos : pos + 4])), pos + 4
    except IndexError:
        raise FrameError("the address is cut off", data, pos, Fault.SHORT) from None
    raise FrameError("an address has 1, 2 or 4 octets", data, pos, Fault.ADDRESS)


def accepts(own: Address, received: Address) -> bool:
    """Whether a station with the address `own` takes a frame whose destination is `received`.

    All-station values match everything, no-station nothing. Where the lengths differ: one octet never reaches a
    station of two or four; two or four reach a station of one octet only when the lower address is all-station; two
    against four is compared by value. (Green Book, inopportune address lengths, states four against two "if the
    values fit"; two against four is the same comparison.)
    """
    own_upper, own_lower = _values(own)
    upper, lower = _values(received)
    if received.is_no_station or upper not in (own_upper, UpperAddress.ALL_STATION_WIDE):
        return False
    if lower is None or own_lower is None:
        return lower is own_lower or lower == LowerAddress.ALL_STATION_WIDE
    return lower in (own_lower, LowerAddress.ALL_STATION_WIDE)


def _values(address: Address) -> tuple[int, int | None]:
    """Upper and lower with the reserved values of the short forms replaced by those of the long one."""
    upper, lower = address.upper, address.lower
    if address.size == 4:
        return upper, lower
    return _WIDE_UPPER.get(upper, upper), None if lower is None else _WIDE_LOWER.get(lower, lower)


def _shortest(upper: int, lower: int | None) -> int:
    if lower is None:
        return 1
    return 2 if upper < 0x80 and lower < 0x80 else 4


def _octets(upper: int, lower: int | None, size: int) -> bytes:
    if (lower is None) != (size == 1) or size not in (1, 2, 4):
        raise ParameterError(f"an address of {size} octets with upper {upper} and lower {lower} does not exist")
    limit = 0x4000 if size == 4 else 0x80
    if not 0 <= upper < limit or not 0 <= (lower or 0) < limit:
        raise ParameterError(f"upper {upper}, lower {lower} do not fit an address of {size} octets")
    if lower is None:
        return bytes((upper << 1 | 1,))
    if size == 2:
        return bytes((upper << 1, lower << 1 | 1))
    return bytes((upper >> 6 & 0xFE, upper << 1 & 0xFE, lower >> 6 & 0xFE, lower << 1 & 0xFE | 1))


@functools.lru_cache(maxsize=4096)
def _from_octets(octets: bytes) -> Address:
    """The address of two or four octets; kept, because a line carries few different ones."""
    if len(octets) == 2:
        return Address(octets[0] >> 1, octets[1] >> 1, 2)
    return Address(octets[0] >> 1 << 7 | octets[1] >> 1, octets[2] >> 1 << 7 | octets[3] >> 1, 4)


_ONE_OCTET = tuple(Address(upper, None, 1) for upper in range(0x80))
