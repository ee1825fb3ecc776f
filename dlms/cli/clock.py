"""`dlms clock`: a meter's time, and setting it in the meter's own convention, read back."""

from __future__ import annotations

import datetime
import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dlms.cli.options import Access, with_access
from dlms.cli.read import AS_JSON, ENDPOINT, JSON_OFF
from obis.command import FAILED

if TYPE_CHECKING:
    from dlms.client import Client
    from dlms.cosem_time import DateTime, LocalTime
    from dlms.ic import Clock

CLOCKS = ("0.0.1.0.0.255", "0.1.1.0.0.255")
TOLERANCE_S = 2
"""How far a clock may be off right after it was set."""
PLAUSIBLE_S = 900
"""How far a clock may be off that still tells which sign its deviation has."""
UTC, LOCAL = "utc", "local"


class Here(datetime.tzinfo):
    """The time zone of this computer, whatever its name."""

    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta | None:
        """As the system has it at that local time."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime.datetime | None) -> datetime.timedelta | None:
        """An hour in summer: the system does not say how much it is."""
        if moment is None:
            return None
        summer = time.localtime(moment.replace(tzinfo=None).timestamp()).tm_isdst > 0
        return datetime.timedelta(hours=1 if summer else 0)

    def tzname(self, moment: datetime.datetime | None) -> str:
        """What it is called here."""
        return LOCAL

    def fromutc(self, moment: datetime.datetime) -> datetime.datetime:
        """The local time, and which of two equal ones it is."""
        utc = moment.replace(tzinfo=datetime.UTC)
        face = utc.astimezone().replace(tzinfo=None)
        return face.replace(tzinfo=self, fold=0 if face.timestamp() == utc.timestamp() else 1)


@with_access
def clock(
    access: Access,
    endpoint: ENDPOINT,
    set_to: Annotated[
        str | None, typer.Option("--set", help="now (by this computer), or a time such as 2026-11-23T06:15:00.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="What the meter's clock shows: a zone such as Europe/Copenhagen, utc, or local (this computer's zone). "
            "Without it the deviation that the meter's time states.",
        ),
    ] = None,
    inverted: Annotated[
        bool, typer.Option("--inverted", help="The meter's deviation is local minus UTC, against the Blue Book.")
    ] = False,
    code: Annotated[str | None, typer.Option(help="Code of the clock, when it is not the usual one.")] = None,
    as_json: AS_JSON = JSON_OFF,
) -> None:
    """Tell the meter's time, or set it and read it back."""
    given = None if set_to in (None, "now") else _parsed(set_to or "")
    policy = _policy(timezone, inverted)
    with access.connect(endpoint) as client:
        of, found = _find_clock(client, code)
        if set_to is not None:
            wanted = _now(found, policy) if given is None else _as_given(given, found, policy)
            client.set(of.time, wanted.raw)
            found = _read_back(client, of, wanted, policy, readable=found is not None)
    if found is None:
        typer.echo(f"{of.time}: {'written, ' if set_to is not None else ''}cannot be read", err=set_to is None)
        raise typer.Exit(FAILED if set_to is None else 0)
    if as_json:
        typer.echo(json.dumps({"obis": str(of.instance), "time": str(found), "octets": found.raw.hex()}))
    else:
        typer.echo(str(found))


def _parsed(text: str) -> DateTime:
    from dlms.cosem_time import CosemTimeError, DateTime

    try:
        return DateTime.parse(text)
    except CosemTimeError as fault:
        raise typer.BadParameter(str(fault)) from fault


def _policy(timezone: str | None, inverted: bool) -> LocalTime:
    """How the clock's face relates to UTC, as far as the user says.  Raises BadParameter for an unknown zone."""
    from dlms.cosem_time import CosemTimeError, LocalTime, zone

    if timezone is None:
        return LocalTime(inverted=inverted)
    if timezone in (UTC, LOCAL):
        return LocalTime(datetime.UTC if timezone == UTC else Here(), inverted)
    try:
        return LocalTime(zone(timezone), inverted)
    except CosemTimeError as fault:
        raise typer.BadParameter(str(fault)) from fault


def _find_clock(client: Client, code: str | None) -> tuple[Clock, DateTime | None]:
    """The clock and its time, None where it may not be read.  Raises AccessError when there is none where it is looked for."""
    from dlms.cosem_time import DateTime
    from dlms.enums import AccessResult
    from dlms.errors import AccessError
    from dlms.ic import Clock
    from obis import Obis, ObisError

    places = CLOCKS if code is None else (code,)
    for place in places:
        try:
            of = Clock(Obis(place))
        except ObisError as fault:
            raise typer.BadParameter(str(fault)) from fault
        try:
            return of, DateTime(client.get(of.time))
        except AccessError as refusal:
            if refusal.result == AccessResult.READ_WRITE_DENIED:
                return of, None
            if place == places[-1]:
                raise
    raise AssertionError("there is at least one place")


def _now(found: DateTime | None, policy: LocalTime) -> DateTime:
    """This computer's time as the meter would show it.

    Raises LocalProtocolError where nothing tells what the meter shows: neither the user, nor a deviation of its own whose
    sign agrees with the time that it shows.
    """
    from dlms.cosem_time import NO_DEVIATION
    from dlms.errors import LocalProtocolError

    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    if policy.zone is not None:
        return _written(now.astimezone(policy.zone), found, policy)
    if found is None or found.deviation == NO_DEVIATION:
        raise LocalProtocolError("the meter's time states no deviation: say with --timezone what its clock shows")
    minutes = found.deviation if policy.inverted else -found.deviation
    local = now.astimezone(datetime.timezone(datetime.timedelta(minutes=minutes)))
    other = now.astimezone(datetime.timezone(datetime.timedelta(minutes=-minutes)))
    if _face_off_s(found, local) > PLAUSIBLE_S >= _face_off_s(found, other):
        raise LocalProtocolError(
            f"the meter shows {found}, which is right with the other sign of its deviation: give --timezone, "
            f"or {'leave out' if policy.inverted else 'give'} --inverted"
        )
    return _written(local, found, policy)


def _face_off_s(found: DateTime, moment: datetime.datetime) -> float:
    return abs((found.naive() - moment.replace(tzinfo=None)).total_seconds())


def _written(local: datetime.datetime, found: DateTime | None, policy: LocalTime) -> DateTime:
    """A local time with deviation and status where the meter's time has them; without a zone the meter says if it is summer."""
    from dlms.cosem_time import DAYLIGHT_SAVING, NO_DEVIATION, NO_STATUS, DateTime

    if found is None or found.status == NO_STATUS:
        status = NO_STATUS
    elif policy.zone is None:
        status = found.status & DAYLIGHT_SAVING
    else:
        status = DAYLIGHT_SAVING if local.dst() else 0
    with_deviation = found is not None and found.deviation != NO_DEVIATION
    return DateTime.of(local if with_deviation else local.replace(tzinfo=None), status=status, inverted=policy.inverted)


def _as_given(given: DateTime, found: DateTime | None, policy: LocalTime) -> DateTime:
    """A time that the user wrote: as it is, but in the zone of the clock where that was named."""
    from dlms.cosem_time import NO_DEVIATION

    if policy.zone is None:
        return given
    moment = given.naive().replace(tzinfo=policy.zone) if given.deviation == NO_DEVIATION else given.to_datetime()
    return _written(moment.astimezone(policy.zone), found, policy)


def _read_back(client: Client, of: Clock, wanted: DateTime, policy: LocalTime, *, readable: bool) -> DateTime | None:
    """The time that the meter shows after it was set, None where it may not be read.  Ends the command when it is another."""
    from dlms.cosem_time import NO_DEVIATION, DateTime

    if not readable:
        return None
    found = DateTime(client.get(of.time))
    if NO_DEVIATION in (found.deviation, wanted.deviation):
        off_s = _face_off_s(found, wanted.naive())
    else:
        off_s = abs((policy.to_datetime(found) - policy.to_datetime(wanted)).total_seconds())
    if off_s > TOLERANCE_S:
        typer.echo(f"dlms: the clock stands at {found} after {wanted} was written", err=True)
        raise typer.Exit(FAILED)
    return found
