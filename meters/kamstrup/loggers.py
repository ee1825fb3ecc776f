"""The loggers of the Kamstrup 162M/382M: what their rows hold, how often one is written, how many are kept.

Columns and access are those of 55121424_D1, depths those of the technical description 5512-1040; what neither says is
marked as chosen here.
"""

from __future__ import annotations

from dlms.ic import Clock, Data, ProfileGeneric, Register
from dlms.types import DoubleLongUnsigned, Integer, LongUnsigned, OctetString, Unsigned, VisibleString
from meters.engine import Every, Feature, Logger, LogName
from meters.engine import Unit as Calendar
from meters.kamstrup import breaker, commands, events
from meters.objects import DataLog, EventLog
from meters.sources import Column, Constant, EventField, EventTime, RowFlags, RowTime
from obis import Obis

LOGGER_STATUS, DATA_QUALITY = -1, -2
"""Attributes 255 and 254 of the logger itself: capture objects count attributes in a signed octet."""
ENERGY_EXPONENT = 1
"""Energies of the rows count 10 Wh: 1.1.134.0.1, in the published rows an integer of value 1."""
PERIODS_S = frozenset((300, 900, 1800, 3600))
PROFILE_ACCESS = "2-3 R; 4 RW; 5-8 R"
ACCESS = "2-8 R"
NOT_DOCUMENTED_DEPTH = 45
"""Depth of the two audit loggers, chosen as that of the neutral-fault logger."""

ROW_TIME = Column(Clock, "0.1.1.0.0.255", 2, OctetString(12), RowTime())
HEADER = (
    ROW_TIME,
    Column(ProfileGeneric, None, LOGGER_STATUS, LongUnsigned, RowFlags(events.STATUS_BITS)),
    Column(ProfileGeneric, None, DATA_QUALITY, DoubleLongUnsigned, RowFlags(events.QUALITY_BITS)),
    Column(Data, "1.1.134.0.1.255", 2, Integer, Constant(ENERGY_EXPONENT)),
)
"""The first columns of every data logger."""

_TOTALS = tuple((f"1.1.{c}.8.0.255", 2) for c in (1, 2, 3, 4))
_HOURS = (("0.1.96.8.0.255", 2),)


def _tariffs(*quantities: int) -> tuple[tuple[str, int], ...]:
    return tuple((f"1.1.{c}.8.{tariff}.255", 2) for c in quantities for tariff in (1, 2, 3, 4))


def _with_time(code: str) -> tuple[tuple[str, int], ...]:
    return (code, 2), (code, 5)


DATA_LOGS = (
    DataLog(
        "1.1.98.1.0.255",
        ACCESS,
        "billing",
        LogName.BILLING,
        Every(1, Calendar.MONTHS),
        36,
        HEADER,
        (
            *_HOURS,
            ("1.1.0.1.0.255", 2),
            ("1.1.96.51.2.255", 2),
            ("1.1.0.128.1.255", 2),
            *_TOTALS,
            *_tariffs(1, 3),
            *_with_time("1.1.1.6.0.255"),
            *_with_time("1.1.1.6.1.255"),
            *_with_time("1.1.1.6.2.255"),
            *_with_time("1.1.3.6.0.255"),
            ("1.1.1.2.0.255", 2),
            ("1.1.3.2.0.255", 2),
        ),
        capture=commands.billing_stop,
    ),
    DataLog(
        "1.1.98.2.0.255",
        ACCESS,
        "billing_2",
        LogName.BILLING_2,
        Every(1, Calendar.DAYS),
        45,
        HEADER,
        (*_HOURS, *_TOTALS, *_tariffs(1, 2, 3, 4)),
    ),
    # of the documented variants the one with four registers, as in the published exchange: A+ A- R+ R-
    DataLog(
        "1.1.99.1.0.255",
        PROFILE_ACCESS,
        "load_profile",
        LogName.LOAD_PROFILE,
        Every(900),
        130 * 96,
        HEADER,
        _TOTALS,
        PERIODS_S,
    ),
    # P+ P- Q+ Q- and the means of U and |I| of each phase; the depth is not documented, five weeks are chosen
    DataLog(
        "1.1.99.1.1.255",
        PROFILE_ACCESS,
        "analysis",
        LogName.ANALYSIS,
        Every(900),
        35 * 96,
        HEADER,
        (
            *((f"1.1.{c}.25.0.255", 2) for c in (1, 2, 3, 4)),
            *((f"1.1.{20 * phase + c}.25.0.255", 2) for c in (12, 11) for phase in (1, 2, 3)),
        ),
        PERIODS_S,
    ),
)


def _data(code: str, of: type[Unsigned] | type[LongUnsigned], source: EventField) -> Column:
    return Column(Data if of is Unsigned else Register, code, 2, of, source)


_AUDIT = (
    ROW_TIME,
    Column(Data, "1.1.96.54.2.255", 2, Unsigned, Constant(0)),
    Column(Data, "1.1.96.54.3.255", 2, VisibleString, Constant("")),
    Column(Data, "1.1.96.54.5.255", 2, OctetString, Constant(b"")),
    Column(Data, "1.1.96.54.6.255", 2, Unsigned, Constant(0)),
)

EVENT_LOGS = (
    # that the row shows the meter status is inferred: the loggers' own columns are not all documented
    EventLog(
        "1.1.99.98.2.255",
        ACCESS,
        "events.status",
        Logger.STATUS,
        200,
        (ROW_TIME, _data("1.1.97.97.0.255", Unsigned, EventField(events.status_of_event))),
    ),
    EventLog(
        "1.1.99.98.3.255",
        ACCESS,
        "events.clock",
        Logger.CLOCK,
        200,
        (
            ROW_TIME,
            Column(Clock, "0.1.1.0.1.255", 2, OctetString(12), EventTime(lambda event: event.value)),
            Column(Data, "0.1.96.10.3.255", 2, Unsigned, Constant(1)),
        ),
    ),
    EventLog(
        "1.1.99.98.4.255",
        ACCESS,
        "events.voltage_quality",
        Logger.VOLTAGE,
        200,
        (
            ROW_TIME,
            _data("1.1.132.0.1.255", Unsigned, EventField(lambda event: event.phase)),
            _data("1.1.132.0.2.255", Unsigned, EventField(events.voltage_event)),
            _data("1.1.132.0.3.255", LongUnsigned, EventField(lambda event: round(event.mean_v))),
            _data("1.1.132.0.4.255", LongUnsigned, EventField(lambda event: round(event.max_v))),
            _data("1.1.132.0.5.255", LongUnsigned, EventField(lambda event: round(event.min_v))),
        ),
    ),
    EventLog(
        "1.1.99.98.5.255",
        ACCESS,
        "events.cut_off",
        Logger.CUT_OFF,
        200,
        (
            ROW_TIME,
            _data("1.1.128.0.0.255", Unsigned, EventField(lambda event: event.value)),
            _data("1.1.128.0.18.255", Unsigned, EventField(breaker.feedback_of_event)),
        ),
        Feature.BREAKER,
    ),
    EventLog(
        "1.1.99.98.10.255",
        ACCESS,
        "events.load_profile",
        Logger.PROFILE,
        10,
        (ROW_TIME, _data("1.1.96.5.3.255", Unsigned, EventField(events.profile_event))),
    ),
    EventLog(
        "1.1.99.98.12.255",
        ACCESS,
        "events.neutral_fault",
        Logger.NEUTRAL,
        45,
        (ROW_TIME, _data("1.1.132.0.6.255", Unsigned, EventField(lambda event: int(event.active)))),
    ),
    # nothing is ever uploaded to an emulated meter, so both stay empty
    EventLog("1.1.99.98.13.255", ACCESS, "events.upload_success", None, NOT_DOCUMENTED_DEPTH, _AUDIT),
    EventLog("1.1.99.98.14.255", ACCESS, "events.upload_failure", None, NOT_DOCUMENTED_DEPTH, _AUDIT),
)

LOGGER_ONLY = frozenset(
    map(
        Obis,
        (
            "0.1.1.0.1.255",
            "0.1.96.10.3.255",
            "1.1.96.5.3.255",
            "1.1.96.54.2.255",
            "1.1.96.54.3.255",
            "1.1.96.54.5.255",
            "1.1.96.54.6.255",
            *(f"1.1.132.0.{e}.255" for e in range(1, 7)),
        ),
    )
)
"""Columns that no object holds: they cannot be read one by one."""
