"""What makers, countries and companion standards do with codes that the standard leaves to them, or reads otherwise."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from obis import pattern


class Overlay(NamedTuple):
    """One remark on the codes that a pattern matches; of several rows of one owner the first counts."""

    groups: str
    text: str


KAMSTRUP = (
    Overlay("1.1.0.0.0.255", "meter number, low part"),
    Overlay("1.1.0.0.1-3.255", "meter number"),
    Overlay("1.1.0.0.4.255", "identification number"),
    Overlay("1.1.0.0.5.255", "GS1 number"),
    Overlay("1.1.0.1.5.128", "billing stop, by writing"),
    Overlay("1.1.0.1.6.128", "period of billing logger 2"),
    Overlay("1.1.0.2.0.255", "software number and revision"),
    Overlay("1.1.0.2.1-2.128", "software revision"),
    Overlay("1.1.0.2.129.255", "OBIS list version"),
    Overlay("1.1.0.4.2.1", "transformer ratio before the last change"),
    Overlay("1.1.0.4.128.255", "transformer ratio lock"),
    Overlay("1.1.0.128.*.255", "pulse input counter"),
    Overlay("1.1.0.129.*.255", "configuration number"),
    Overlay("1.1.0.130.*.255", "special data"),
    Overlay("0.1.1.0.1.255", "time before a clock adjustment, column of the RTC logger"),
    Overlay("0.1.96.3.0.255", "UART setup of the module port"),
    Overlay("0.1.96.3.1.255", "inputs and outputs of the module port"),
    Overlay("0.1.96.10.1.255", "event status A"),
    Overlay("0.1.96.10.2.255", "event status B"),
    Overlay("0.1.96.10.3.255", "RTC state, column of the RTC logger"),
    Overlay("1.1.96.1.0.255", "serial number"),
    Overlay("1.1.96.1.1.255", "meter type number"),
    Overlay("1.1.96.1.2.255", "module ID"),
    Overlay("1.1.96.5.1.255", "operation state"),
    Overlay("1.1.96.5.3.255", "load profile event"),
    Overlay("1.1.96.51.*.255", "power threshold"),
    Overlay("1.1.96.52.1-5,7-10.255", "load control"),
    Overlay("1.1.96.52.6.255", "working days"),
    Overlay("1.1.96.52.11.255", "daylight saving"),
    Overlay("1.1.96.52.21-25.255", "tariff control"),
    Overlay("1.1.96.52.31-35.255", "load control 1"),
    Overlay("1.1.96.52.41-45.255", "load control 2"),
    Overlay("1.1.96.52.*.255", "load control"),
    Overlay("1.1.96.53.*.255", "pulse input level"),
    Overlay("1.1.96.54.1.255", "ROM checksum"),
    Overlay("1.1.96.54.*.255", "column of the firmware upload audit"),
    Overlay("1.1.97.97.0.255", "meter status"),
    Overlay("1.1.128.0.0,10,18.255", "breaker, state and mode"),
    Overlay("1.1.128.0.1-9.255", "breaker, constants and times of the cut-off"),
    Overlay("1.1.128.0.11-14.255", "breaker, basis and thresholds of the cut-off"),
    Overlay("1.1.128.0.19-22.255", "breaker, overvoltage disconnect and reconnect"),
    Overlay("1.1.128.*.*.*", "breaker"),
    Overlay("1.1.129.*.*.*", "tariff"),
    Overlay("1.1.130.*.*.*", "prepayment"),
    Overlay("1.1.131.*.*.*", "IEC 1107 configuration"),
    Overlay("1.1.132.*.*.*", "column of the voltage quality loggers"),
    Overlay("1.1.133.*.*.*", "voltage quality counter"),
    Overlay("1.1.134.0.3-5.255", "alarm call"),
    Overlay("1.1.134.0.6-8.255", "event mask"),
    Overlay("1.1.134.0.9-11.255", "neutral fault threshold"),
    Overlay("1.1.134.0.12-14.255", "voltage limit"),
    Overlay("1.1.134.0.15.255", "power fault time"),
    Overlay("1.1.134.*.*.*", "masks and thresholds"),
    Overlay("1.1.1-10,15,16,21-30,41-50,61-70.*.*.128", "high resolution verification register"),
    Overlay("1.1.1-10.*.*.129", "secondary side of the current transformer"),
    Overlay("1.1.1-10.128.0.255", "trip counter: energy since its reset by push button"),
    Overlay("1.1.1-10.2.*.255", "cumulated maximum"),
    Overlay("1.1.1-10.13,16.*.255", "minimum and maximum of 24 hours"),
    Overlay("1.1.1-80.25.0.255", "mean over the load profile period"),
    Overlay("1.1.31,32,51,52,71,72.24.124.255", "ten-minute mean"),
    Overlay("1.1.81.7.128.255", "angle of the current to the voltage, Ln"),
    Overlay("1.1.92.7.0.255", "voltage between the neutral and the virtual neutral"),
    Overlay("1.1.98.1.0.255", "billing logger"),
    Overlay("1.1.98.2.0.255", "billing logger 2"),
    Overlay("1.1.99.1.0.255", "load profile logger"),
    Overlay("1.1.99.1.1.255", "analysis logger"),
    Overlay("1.1.99.98.2.255", "status logger"),
    Overlay("1.1.99.98.3.255", "RTC logger"),
    Overlay("1.1.99.98.4.255", "voltage quality logger"),
    Overlay("1.1.99.98.5.255", "cut-off logger"),
    Overlay("1.1.99.98.9.255", "transformer ratio logger"),
    Overlay("1.1.99.98.10.255", "load profile event logger"),
    Overlay("1.1.99.98.12.255", "neutral fault logger"),
    Overlay("1.1.99.98.13.255", "upload audit, success"),
    Overlay("1.1.99.98.14.255", "upload audit, failure"),
    Overlay("1.1.99.98.16.255", "voltage quality logger 1"),
    Overlay("1.1.99.98.17.255", "voltage quality logger 2, occurrence counters"),
)

NORDIC = (
    Overlay("1.0-1.0.2.129.255", "OBIS list version"),
    Overlay("0.0.96.1.0.255", "meter ID"),
    Overlay("0.0.96.1.7.255", "meter type"),
)

DSMR = (
    Overlay("1.3.0.2.8.255", "version of the P1 telegram"),
    Overlay("1.0.99.97.0.255", "log of long power failures"),
    Overlay("1.0.32,52,72.32.0.255", "number of voltage sags"),
    Overlay("1.0.32,52,72.36.0.255", "number of voltage swells"),
    Overlay("0.1-8.24.1.0.255", "device type"),
    Overlay("0.1-8.96.1.0.255", "equipment ID of the device"),
    Overlay("0.1-8.24.2.1.255", "last value of the device"),
    Overlay("0.0.17.0.0.255", "power threshold"),
    Overlay("0.0.96.3.10.255", "breaker state"),
)

BELGIUM = (
    Overlay("0.0.96.1.4.255", "version of the P1 telegram"),
    Overlay("1.0.1.4.0.255", "average demand of the quarter-hour"),
    Overlay("1.0.1.6.0.255", "maximum demand of the month"),
    Overlay("0.0.98.1.0.255", "maximum demands of 13 months"),
    Overlay("1.0.31.4.0.255", "fuse supervision threshold"),
)

IDIS = (
    Overlay("0.0.96.11.0.255", "standard event"),
    Overlay("0.0.99.98.0.255", "standard event log"),
    Overlay("0.0.99.98.1.255", "fraud event log"),
    Overlay("0.0.99.98.4.255", "power quality event log"),
)

SPODES = (
    Overlay("0.0.96.4.1.255", "display mode"),
    Overlay("0-1.0.94.7.*.*", "object of the Russian companion standard"),
)

EDL = (
    Overlay("1.0.96.50.1.1", "manufacturer"),
    Overlay("1.0.0.0.9.255", "server ID"),
    Overlay("129.129.199.130.3.255", "manufacturer"),
    Overlay("129.129.199.130.5.255", "public key"),
    Overlay("1.0.16.7.0.255", "net power"),
    Overlay("1.0.96.5.5.255", "status"),
)

OWNERS = {
    "Kamstrup": KAMSTRUP,
    "Nordic HAN": NORDIC,
    "DSMR": DSMR,
    "Belgium": BELGIUM,
    "IDIS": IDIS,
    "SPODES": SPODES,
    "EDL/SML": EDL,
}


class Row(NamedTuple):
    """An overlay, ready to be matched."""

    owner: str
    text: str
    groups: tuple[frozenset[int], ...]

    def covers(self, code: bytes) -> bool:
        """Whether the overlay is about this code."""
        return all(map(frozenset.__contains__, self.groups, code))


def typical(overlay: Overlay) -> bytes:
    """The first code that an overlay is about."""
    return bytes(
        255 if n == 5 and 255 in values else min(values) for n, values in enumerate(pattern.parse(overlay.groups))
    )


@cache
def _by_c() -> dict[int, tuple[Row, ...]]:
    """The rows that may match a code, by its group C."""
    found: dict[int, list[Row]] = {}
    for owner, overlays in OWNERS.items():
        for overlay in overlays:
            groups = pattern.parse(overlay.groups)
            for c in groups[2]:
                found.setdefault(c, []).append(Row(owner, overlay.text, groups))
    return {c: tuple(rows) for c, rows in found.items()}


def remarks(code: bytes) -> dict[str, str]:
    """What each owner says of a code: `{"Kamstrup": "breaker"}`."""
    found: dict[str, str] = {}
    for row in _by_c().get(code[2], ()):
        if row.owner not in found and row.covers(code):
            found[row.owner] = row.text
    return found
