"""The 382 against the table of its objects, and every attribute read under each of its associations."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from dlms.enums import AccessResult
from dlms.errors import AccessError, AssociationRefused, LocalProtocolError
from dlms.ic import AssociationLn, Data, ExtendedRegister, Register, SapAssignment
from dlms.types import DoubleLongUnsigned, LongUnsigned, OctetString, Unsigned, VisibleString
from meters.kamstrup.k382 import MODEL
from meters.objects import Row, interface_of
from meters.scenario import Constant
from obis import Obis
from tests.meters.wired import Line, emulator
from tests.vectors.shared import FOLDER

CSV = Path(FOLDER).parent / "facts" / "kamstrup_objects.csv"
TYPES = {
    "Unsigned8": Unsigned,
    "Unsigned16": LongUnsigned,
    "Unsigned32": DoubleLongUnsigned,
    "Visible-String": VisibleString,
    "Octet-String": OctetString,
}
NOT_DOCUMENTED_SCALER = 0


def documented() -> list[dict[str, str]]:
    """The rows of the table for the 162M/382M."""
    if not CSV.exists():
        pytest.skip(f"{CSV.name} is not beside this checkout")
    with CSV.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["K382M_K162M"] == "1"]


@pytest.mark.vectors
def test_exactly_the_objects_of_the_table() -> None:
    rows = documented()
    objects = {Obis(row["obis"]) for row in rows if row["logger_only"] == "0"}
    assert MODEL.by_obis.keys() == objects
    assert {Obis(row["obis"]) for row in rows if row["logger_only"] == "1"} == MODEL.logger_only


@pytest.mark.vectors
def test_class_type_access_and_scaler_of_every_object() -> None:
    for documented_row in documented():
        if documented_row["logger_only"] == "1":
            continue
        row = MODEL.by_obis[Obis(documented_row["obis"])]
        assert interface_of(row).class_id == int(documented_row["class_id"]), row.obis
        if not isinstance(row, Row):
            continue
        assert row.type == TYPES[documented_row["type"]], row.obis
        assert row.access == documented_row["access"], row.obis
        if documented_row["class_id"] in "34":
            assert row.scaler == int(documented_row["scaler"] or NOT_DOCUMENTED_SCALER), row.obis
            assert row.unit is not None
            assert row.unit.symbol == documented_row["unit"], row.obis


@pytest.mark.vectors
def test_access_of_the_other_classes() -> None:
    for documented_row in documented():
        row = MODEL.by_obis.get(Obis(documented_row["obis"]))
        if row is None or isinstance(row, Row):
            continue
        assert row.access == documented_row["access"].partition(" (")[0], row.obis


@pytest.mark.vectors
def test_every_column_of_a_logger_is_in_the_table() -> None:
    classes = {Obis(row["obis"]): int(row["class_id"]) for row in documented()}
    types = {Obis(row["obis"]): row["type"] for row in documented()}
    for log in MODEL.logs:
        for column in MODEL.columns(log):
            if column.obis is None:
                continue
            obis = Obis(column.obis)
            assert column.interface.class_id == classes[obis]
            if obis in MODEL.logger_only and types[obis] in TYPES:
                assert column.type == TYPES[types[obis]], column


@pytest.fixture(scope="module")
def meters() -> Any:
    return emulator()


ASSOCIATIONS = pytest.mark.parametrize("association", MODEL.associations, ids=lambda one: one.name)


@ASSOCIATIONS
def test_every_readable_attribute_is_read(meters: Any, association: Any) -> None:
    line = Line(meters, association.name)
    seen = [row for obis, row in MODEL.by_obis.items() if association.sees is None or obis in association.sees]
    for row in seen:
        of = interface_of(row)(row.obis)
        for index, mode in MODEL.access(row).items():
            if not mode.readable:
                continue
            value = line.get(of.attribute_ref(index))
            if index == 1:
                assert value == of.instance
            elif isinstance(row, Row):
                assert row.attributes[index].type.check(value), row.obis


@ASSOCIATIONS
def test_the_object_list_is_what_the_association_sees(meters: Any, association: Any) -> None:
    listed = Line(meters, association.name).get(AssociationLn("0.0.40.0.0.255").object_list)
    seen = association.sees or MODEL.by_obis.keys()
    assert {Obis(instance) for _, _, instance, _ in listed} == seen
    for class_id, version, instance, (attributes, _) in listed:
        row = MODEL.by_obis[Obis(instance)]
        assert (class_id, version) == (interface_of(row).class_id, interface_of(row).version)
        modes = {int(index): mode for index, mode, _ in attributes}
        for index, mode in MODEL.access(row).items():
            assert bool(modes[index] & 1) == mode.readable
            assert bool(modes[index] & 2) == (mode in association.writes.value)


def test_what_each_association_may_write(meters: Any) -> None:
    cut_off_basis, special = Data("1.1.128.0.11.255").value, Data("1.1.0.130.1.255").value
    for name, allowed in (("public", set()), ("optical", {special}), ("primary module port", {special, cut_off_basis})):
        line = Line(meters, name)
        for ref in (special, cut_off_basis):
            if ref in allowed:
                line.set(ref, Unsigned(0) if ref is cut_off_basis else DoubleLongUnsigned(0))
                continue
            with pytest.raises((AccessError, LocalProtocolError)):
                line.set(ref, DoubleLongUnsigned(0))


@pytest.mark.parametrize(
    ("association", "granted"), [("public", 0x001010), ("primary module port", 0x00101C), ("optical", 0x00101C)]
)
def test_conformance_of_the_published_exchanges(meters: Any, association: str, granted: int) -> None:
    negotiated = Line(meters, association).connection.negotiated
    assert negotiated.conformance == granted
    assert negotiated.max_send == 125


def test_wrong_password_is_refused(meters: Any) -> None:
    with pytest.raises(AssociationRefused):
        Line(meters, password=b"54321")


def test_status_of_an_extended_register_is_refused(meters: Any) -> None:
    with pytest.raises(AccessError) as refused:
        Line(meters).get(ExtendedRegister("1.1.1.6.0.255").status)
    assert refused.value.result == AccessResult.READ_WRITE_DENIED


def test_registers_begin_again_as_their_displays_do() -> None:
    """30 kW for two days are 1440 kWh: more than the display 3.4 of the verification registers shows."""
    line = Line(emulator(days=2.0, source=Constant(10_000.0, wiring=MODEL.wiring), step_s=60))
    assert line.get(Register("1.1.1.8.0.128").value) == 440_000
    assert line.get(Register("1.1.1.8.0.255").value) == 144_000


def test_logger_columns_are_no_objects(meters: Any) -> None:
    with pytest.raises(AccessError) as refused:
        Line(meters).get(Data("1.1.132.0.1.255").value)
    assert refused.value.result == AccessResult.OBJECT_UNDEFINED


def test_logical_devices_carry_the_documented_name() -> None:
    """Serial number 18159417 gives the octets that are printed in the protocol description."""
    listed = Line(emulator(nameplate=MODEL.nameplate.numbered(18159417))).get(
        SapAssignment("0.0.41.0.0.255").sap_assignment_list
    )
    assert [(int(sap), name.hex()) for sap, name in listed] == [
        (1, "4b414d45000001151739"),
        (16, "4b414d45000001151739"),
    ]
