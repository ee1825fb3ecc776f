"""A meter model that contradicts itself is refused when it is built, and the message names the row."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.ic import Clock, Data, ExtendedRegister, ProfileGeneric, Register
from dlms.types import DoubleLongUnsigned, LongUnsigned, Unsigned
from meters.access import Mode, parse_access
from meters.engine import Kind, Measurand, Quantity
from meters.kamstrup.k382 import MODEL
from meters.models import MODELS, load
from meters.objects import Complex, ModelError, interface_of
from meters.objects import Row as Object
from meters.sources import Column, Constant, Derived, RowTime
from obis import Obis

EXTRA = Object("1.1.199.0.0.255", Data, Unsigned, "R", "extra", Constant(0))


def with_object(**changes: Any) -> Any:
    """The 382 with one object more."""
    return dataclasses.replace(MODEL, objects=(*MODEL.objects, dataclasses.replace(EXTRA, **changes)))


def with_log(**changes: Any) -> Any:
    """The 382 with another load profile."""
    changed = (dataclasses.replace(log, **changes) if log.key == "load_profile" else log for log in MODEL.logs)
    return dataclasses.replace(MODEL, logs=tuple(changed))


def test_an_extra_object_is_fine() -> None:
    assert with_object()["extra"] == Data("1.1.199.0.0.255")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"obis": "1.1.1.8.0.255"}, "1.1.1.8.0.255 is there twice"),
        ({"key": "clock"}, "'clock' is there twice"),
        ({"access": "RX"}, "'RX' is no access"),
        ({"access": "R; W"}, "'R; W' is no access"),
        ({"type": int}, "is no type"),
        ({"type": Unsigned, "source": Constant(300)}, "300"),
        ({"source": Constant("text")}, "unsigned wanted"),
        ({"access": "RW", "source": Derived(lambda meter: 1)}, "neither a setting nor obeyed"),
        ({"interface": ExtendedRegister}, "nothing feeds attribute 5"),
        ({"obis": "1.1.132.0.1.255"}, "an object and logger_only"),
    ],
)
def test_contradictions_of_an_object(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        with_object(**changes)


def test_a_feature_that_the_meter_lacks() -> None:
    with pytest.raises(ModelError, match="needs the feature breaker"):
        dataclasses.replace(MODEL, metrology=dataclasses.replace(MODEL.metrology, features=frozenset(), control=None))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"captured": (("1.1.77.8.0.255", 2),)}, "1.1.77.8.0.255 attribute 2 is captured, but no object has it"),
        ({"captured": (("1.1.1.8.0.255", 4),)}, "attribute 4 is captured"),
        ({"captured": (("1.1.96.1.0.255", 2),)}, "is no quantity"),
        ({"header": (Column(Clock, "0.0.1.0.0.255", 2, Unsigned, RowTime()),)}, "captures 0.0.1.0.0.255"),
        ({"header": (Column(Data, "0.1.1.0.0.255", 2, Unsigned, RowTime()),)}, "captures 0.1.1.0.0.255"),
        ({"header": (Column(ProfileGeneric, None, 255, LongUnsigned, RowTime()),)}, "captures itself attribute 255"),
        ({"periods": frozenset((7,))}, "periods"),
        ({"depth": 0}, "keeps nothing"),
    ],
)
def test_contradictions_of_a_logger(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        with_log(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"server_sap": 7}, "7, which is no logical device"),
        ({"client_sap": 18}, "two associations"),
        ({"sees": frozenset((Obis("1.1.77.8.0.255"),))}, "sees 1.1.77.8.0.255"),
    ],
)
def test_contradictions_of_an_association(changes: dict[str, Any], said: str) -> None:
    changed = dataclasses.replace(MODEL.associations[3], **changes)
    with pytest.raises(ModelError, match=said):
        dataclasses.replace(MODEL, associations=(*MODEL.associations[:3], changed))


def test_a_command_that_writes_nothing() -> None:
    for key in ("energy.active_import", "breaker.stat"):
        with pytest.raises(ModelError, match="cannot be written"):
            dataclasses.replace(MODEL, commands={"disconnect": (key, 1)})


def test_access_as_tables_write_it() -> None:
    assert parse_access("R(W)", Register) == {2: Mode.READ_PRIMARY_WRITE, 3: Mode.READ}
    assert parse_access("R", ExtendedRegister) == dict.fromkeys((2, 3, 5), Mode.READ)
    assert parse_access("2-3 R; 4 RW; 7 W", ProfileGeneric) == {
        2: Mode.READ,
        3: Mode.READ,
        4: Mode.READ_WRITE,
        7: Mode.WRITE,
    }
    for wrong in ("", "r", "R W", "2 R; 2 W", "9 R", "R,W", "2- R", "²R"):
        with pytest.raises(ValueError, match="'"):
            parse_access(wrong, ProfileGeneric)


def test_a_register_wraps_where_its_type_ends() -> None:
    row = Object("1.1.1.8.0.255", Register, DoubleLongUnsigned, "R", "x", Quantity(Measurand.HOURS, Kind.COUNT), 1)
    source = row.attributes[2].source
    assert isinstance(source, Quantity)
    assert (source.exponent, source.rollover) == (1, 1 << 32)


def test_an_energy_register_begins_again_where_its_display_does() -> None:
    """Seven digits of kWh, in 10 Wh."""
    for key in ("energy.active_import", "energy.reactive_q1", "trip.active_export", "energy.active_import.t8"):
        row = MODEL.by_key[key]
        assert isinstance(row, Object)
        source = row.attributes[2].source
        assert isinstance(source, Quantity)
        assert (source.exponent, source.rollover) == (1, 10**9)


def test_models_by_name() -> None:
    for name in MODELS:
        assert load(name).name == name
    with pytest.raises(LookupError, match="kamstrup-382"):
        load("kamstrup-383")
    with pytest.raises(LookupError, match="no object"):
        MODEL["energy.active_inport"]


def test_names_and_classes() -> None:
    assert MODEL["load_profile"] == ProfileGeneric("1.1.99.1.0.255")
    assert MODEL.clock == Obis("0.1.1.0.0.255")
    assert all(isinstance(row, Object | Complex) for row in MODEL.objects)
    assert {interface_of(log) for log in MODEL.logs} == {ProfileGeneric}
