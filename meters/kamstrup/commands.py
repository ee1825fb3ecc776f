"""What a write to a Kamstrup meter does: each function turns a written value into a command of the engine."""

from __future__ import annotations

from meters.engine import BillingStop, CountPulses, Kind, Measurand, Quantity, SetPowerThreshold, SetTariff
from meters.sources import Meter
from obis import Obis

POWER_THRESHOLD = Obis("1.1.96.51.1.255")
_PULSES = Quantity(Measurand.PULSE_INPUT, Kind.COUNT)


def active_tariff(meter: Meter) -> int:
    """1.1.129.0.0: the tariff that counts now."""
    return meter.engine.tariff(meter.index)


def set_tariff(meter: Meter, tariff: int) -> None:
    """A write of 1.1.129.0.0 forces the tariff."""
    meter.engine.command(meter.index, SetTariff(int(tariff)))


def billing_stop(meter: Meter) -> None:
    """The capture method of the billing logger."""
    meter.engine.command(meter.index, BillingStop())


def write_billing_stop(meter: Meter, _: int) -> None:
    """A write of 1 to 1.1.0.1.5.128: the same as the capture method."""
    billing_stop(meter)


def set_pulses(meter: Meter, count: int) -> None:
    """A write of 1.1.0.128.1 sets the counter, so that it agrees with the meter whose pulses it counts."""
    meter.engine.command(meter.index, CountPulses(int(count) - meter.engine.register(_PULSES, meter.index)))


def apply_power_threshold(meter: Meter) -> None:
    """1.1.96.51.1 was written."""
    meter.engine.command(meter.index, SetPowerThreshold(int(meter.setting(POWER_THRESHOLD))))


def acknowledge(meter: Meter, _: int) -> None:
    """A write of 0 to event status B: nothing is latched, so there is nothing to clear."""
