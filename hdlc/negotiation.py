"""The link parameters in the information field of SNRM and UA: their layout, their ranges, and what two ends agree on.

    81 80 len  { id len value }  user data
    05 maximum information field length, transmit     07 window size, transmit
    06 maximum information field length, receive      08 window size, receive

A parameter that is absent has its default, and so has all of them when there is no information field.
Green Book, negotiation of HDLC parameters.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hdlc.errors import ParameterError
from hdlc.limits import DEFAULT_INFO, DEFAULT_WINDOW, MAX_INFO, MAX_WINDOW, MIN_INFO, MIN_WINDOW


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one end offers, or what both agreed on, seen from that end.

    Information field lengths are octets, 32 to 2030; windows are frames, 1 to 7. `user_data` is the user data subfield
    with its own identifier, uninterpreted. Raises ParameterError for a value out of range.
    """

    max_info_transmit: int = DEFAULT_INFO
    max_info_receive: int = DEFAULT_INFO
    window_transmit: int = DEFAULT_WINDOW
    window_receive: int = DEFAULT_WINDOW
    user_data: bytes = b""

    def __post_init__(self) -> None:
        for rule in RULES.values():
            value = getattr(self, rule.name)
            if not rule.low <= value <= rule.high:
                raise ParameterError(f"{rule.name} is {value}: {rule.low} to {rule.high} is allowed")
        if len(self.user_data) > MAX_USER_DATA:
            raise ParameterError(f"{len(self.user_data)} octets of user data: {MAX_USER_DATA} are possible")

    def encode(self, *, always_two_octets: bool = False, only_if_changed: bool = False) -> bytes:
        """The information field of an SNRM or UA frame.

        Lengths take one octet where they fit and two otherwise, or always two (Kamstrup's form). With
        `only_if_changed` parameters at their default are left out, and the result is empty when nothing is left.
        """
        items = [
            {"id": identifier, "value": value.to_bytes(rule.octets(value, always_two_octets), "big")}
            for identifier, rule in RULES.items()
            if (value := getattr(self, rule.name)) != rule.default or not only_if_changed
        ]
        if not items and not self.user_data:
            return b""
        return _layout().build({"parameters": {"items": items}, "user_data": self.user_data})


@dataclass(frozen=True, slots=True)
class Rule:
    """One negotiable parameter: its field in Parameters, its default and range, and how it is written."""

    name: str
    default: int
    low: int
    high: int
    window: bool

    def octets(self, value: int, always_two_octets: bool) -> int:
        """How many octets `value` takes: four for a window, one or two for a length."""
        if self.window:
            return 4
        return 2 if always_two_octets or value > 0xFF else 1


RULES = {
    0x05: Rule("max_info_transmit", DEFAULT_INFO, MIN_INFO, MAX_INFO, window=False),
    0x06: Rule("max_info_receive", DEFAULT_INFO, MIN_INFO, MAX_INFO, window=False),
    0x07: Rule("window_transmit", DEFAULT_WINDOW, MIN_WINDOW, MAX_WINDOW, window=True),
    0x08: Rule("window_receive", DEFAULT_WINDOW, MIN_WINDOW, MAX_WINDOW, window=True),
}
"""Parameter identifier -> rule."""

MAX_USER_DATA = MAX_INFO - 25
"""What the longest information field leaves beside the parameters in their longest form."""

VALUE_SIZES = (1, 2, 4)
"""Octets of a value that is read: liberal, the range decides. Written are 1 or 2 for a length, 4 for a window."""


def decode_parameters(info: bytes) -> Parameters:
    """The parameters in the information field of an SNRM or UA frame; an empty one means the defaults.

    Raises ParameterError for another layout, a parameter that is unknown or comes twice, and a value out of range:
    a server answers such an SNRM with DM.
    """
    if not info:
        return Parameters()
    from construct import ConstructError

    try:
        parsed = _layout().parse(info)
    except ConstructError as fault:
        raise ParameterError(f"not a link parameter field: {info[:32].hex(' ')}: {fault}") from fault
    values: dict[str, int] = {}
    for item in parsed["parameters"]["items"]:
        rule = RULES.get(item["id"])
        if rule is None or rule.name in values or len(item["value"]) not in VALUE_SIZES:
            what = f"link parameter {item['id']:#04x} of {len(item['value'])} octets"
            raise ParameterError(f"{what}: {info[:32].hex(' ')}")
        values[rule.name] = int.from_bytes(item["value"], "big")
    return Parameters(**values, user_data=bytes(parsed["user_data"]))


def negotiate(own: Parameters, asked: Parameters) -> Parameters:
    """What the end that offers `own` may use with a peer that says `asked`: the smaller value for each direction.

    One end's transmit is the other's receive. The same rule serves the server that reads SNRM and the client that
    reads UA.
    """
    return Parameters(
        max_info_transmit=min(own.max_info_transmit, asked.max_info_receive),
        max_info_receive=min(own.max_info_receive, asked.max_info_transmit),
        window_transmit=min(own.window_transmit, asked.window_receive),
        window_receive=min(own.window_receive, asked.window_transmit),
        user_data=own.user_data,
    )


class Layout(Protocol):
    """The two methods of a construct that are used here."""

    def parse(self, data: bytes) -> Mapping[str, Any]: ...
    def build(self, value: Mapping[str, Any]) -> bytes: ...


@functools.cache
def _layout() -> Layout:
    """Built on first use: importing construct costs more than everything else in this package."""
    from construct import Byte, Const, GreedyBytes, GreedyRange, Prefixed, Struct, Terminated

    item = Struct("id" / Byte, "value" / Prefixed(Byte, GreedyBytes))
    layout: Layout = Struct(
        "format" / Const(b"\x81"),
        "group" / Const(b"\x80"),
        "parameters" / Prefixed(Byte, Struct("items" / GreedyRange(item), Terminated)),
        "user_data" / GreedyBytes,
    )
    return layout
