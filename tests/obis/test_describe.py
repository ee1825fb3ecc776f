"""What codes mean: the standard's tables, whose ground a code is on, makers and countries."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obis import Description, Obis, ObisError, Scope, describe
from obis.groups import MEDIA
from obis.rules import Medium
from obis.tables import SOURCES, overlays, table
from obis.tables.electricity import QUANTITIES

KAMSTRUP_CSV = Path(__file__).parents[3] / "shared" / "facts" / "kamstrup_objects.csv"

MEANINGS = [
    ("1-0:1.8.0", "Active energy import (A+), total"),
    ("1-1:1.8.2", "Active energy import (A+), total, tariff 2, channel 1"),
    ("1-0:1.8.0*101", "Active energy import (A+), total, last billing period"),
    ("1-0:1.8.0*103", "Active energy import (A+), total, 3rd last billing period"),
    ("1-0:1.8.0*111", "Active energy import (A+), total, 11th last billing period"),
    ("1-0:1.8.0*7", "Active energy import (A+), total, billing period 7"),
    ("1-0:2.9.0", "Active energy export (A-), total, since start of billing period"),
    ("1-0:1.7.0", "Active power import (P+), total, instantaneous"),
    ("1-0:1.6.1", "Active power import (P+), total, maximum 1, tariff 1"),
    ("1-0:43.7.0", "Reactive power import (Q+), L2, instantaneous"),
    ("1-0:57.8.0", "Active energy QI (A1), L2"),
    ("1-0:32.7.0", "Voltage (U), L1, instantaneous"),
    ("1-0:92.7.0", "Voltage (U), neutral, instantaneous"),
    ("1-0:71.7.124", "Current (I), L3, instantaneous, total harmonic distortion (THD)"),
    ("1-0:52.7.5", "Voltage (U), L2, instantaneous, harmonic 5"),
    ("1-0:13.7.0", "Power factor (PF), total, instantaneous"),
    ("1-0:14.7.0", "Supply frequency (f), instantaneous"),
    ("1-0:16.8.0", "Active energy net (|A+|-|A-|), total"),
    ("1-0:124.7.0", "Line voltage (U), L1-L2, instantaneous"),
    ("1-0:81.7.40", "Phase angle (φ), instantaneous, U(L1) to I(L1)"),
    ("1-0:81.7.10", "Phase angle (φ), instantaneous, U(L1) to U(L2)"),
    ("1-0:81.7.255", "Phase angles table"),
    ("1-0:32.32.24", "Voltage (U), L1, number of occurrences of under-limit, dips of 30-60 % for 3-20 s"),
    ("1-0:83.8.31", "Transformer and line losses, active line loss +, L1"),
    ("1-0:1.35.0*2", "Active power import (P+), total, threshold for over-limit, threshold 2"),
    ("1-0:0.4.2", "Transformer ratio, current, numerator"),
    ("1-0:99.97.0", "Power failure event log"),
    ("0-0:1.0.0", "Clock"),
    ("0-1:24.2.1", "M-Bus value, number 1, channel 1"),
    ("0-0:96.1.9", "Device ID, number 10"),
    ("0-0:96.7.21", "Power failures, number in any phase"),
    ("0-0:96.3.10", "Disconnect control"),
    ("0-0:98.1.0*105", "Billing data, scheme 1, last 5 billing periods"),
    ("0-0:44.0.0", "Image transfer"),
    ("0-0:19.21.2", "Charge of payment account 1, instance 2"),
    ("4-0:5.0.0", "Heat cost allocator, flow temperature"),
    ("5-0:12.7.0", "Cooling, temperature difference (Δt), instantaneous"),
    ("6-0:1.0.0", "Heat, energy"),
    ("8-0:1.0.0", "Cold water, volume (V)"),
    ("9-0:1.2.0", "Hot water, volume (V), set date value"),
    ("7-0:3.1.0", "Gas, forward absolute volume, meter, current index, corrected"),
    ("7-0:70.66.0", "Gas analysis, carbon dioxide CO2"),
]

CLASSES = [
    ("1-0:1.8.0", (3, 4), "Wh"),
    ("1-0:3.7.0", (3, 4), "var"),
    ("1-0:1.4.0", (5,), "W"),
    ("1-0:31.7.124", (3, 4), "%"),
    ("1-0:31.8.0", (3, 4), "Ah"),
    ("1-0:1.32.0", (1, 3), ""),
    ("1-0:1.37.0", (3, 4), "s"),
    ("1-0:99.1.0", (7,), ""),
    ("0-0:1.0.0", (8,), ""),
    ("0-0:40.0.0", (12, 15), ""),
    ("0-0:43.0.0", (64,), ""),
    ("0-0:96.3.10", (70,), ""),
]

FOREIGN = [
    ("1-0:1.128.0", Scope.MANUFACTURER, "Active power import (P+), total, manufacturer-specific D=128 E=0"),
    ("1-0:1.8.128", Scope.MANUFACTURER, "Active energy import (A+), total, manufacturer-specific E=128"),
    ("1-0:1.8.0*130", Scope.MANUFACTURER, "Active energy import (A+), total, manufacturer-specific F=130"),
    ("1-0:200.8.0", Scope.RESERVED, "Electricity object, reserved C=200 D=8 E=0"),
    ("1-0:240.8.0", Scope.MANUFACTURER, "Electricity object, manufacturer-specific C=240 D=8 E=0"),
    ("1-0:96.50.0", Scope.MANUFACTURER, "Service entries, manufacturer-specific D=50 E=0"),
    ("1-65:1.8.0", Scope.UTILITY, "Electricity object, utility-specific B=65 C=1 D=8 E=0"),
    ("1-129:1.8.0", Scope.MANUFACTURER, "Electricity object, manufacturer-specific B=129 C=1 D=8 E=0"),
    ("1-200:1.8.0", Scope.RESERVED, "Electricity object, reserved B=200 C=1 D=8 E=0"),
    ("0-0:94.45.1", Scope.COUNTRY, "Object of Denmark, country-specific E=1"),
    ("0-0:93.1.1", Scope.CONSORTIUM, "Abstract object, consortium-specific C=93 D=1 E=1"),
    ("2-0:1.8.0", Scope.RESERVED, "Reserved medium A=2, reserved B=0 C=1 D=8 E=0"),
    ("1-0:110.7.0", Scope.RESERVED, "Electricity object, reserved C=110 D=7 E=0"),
    ("1-0:1.47.0", Scope.RESERVED, "Active power import (P+), total, reserved D=47 E=0"),
    ("1-0:1.8.64", Scope.RESERVED, "Active energy import (A+), total, reserved E=64"),
    ("1-0:1.7.0*5", Scope.RESERVED, "Active power import (P+), total, instantaneous, reserved F=5"),
    (
        "1-0:96.7.21",
        Scope.RESERVED,
        "Service entries, reserved D=7 E=21 (with A=0: power failures, number in any phase)",
    ),
    ("0-0:43.1.128", Scope.MANUFACTURER, "Invocation counter, manufacturer-specific E=128"),
    ("6-0:1.130.0", Scope.MANUFACTURER, "Heat, energy, manufacturer-specific D=130 E=0"),
    ("15-0:11.1.1", Scope.RESERVED, "Other media, wind, reserved D=1 E=1"),
]

KAMSTRUP = [
    ("1.1.128.0.0.255", "breaker"),
    ("1.1.128.0.15.255", "breaker"),
    ("1.1.129.0.0.255", "tariff"),
    ("1.1.130.0.4.255", "prepayment"),
    ("1.1.131.0.1.255", "IEC 1107"),
    ("1.1.132.0.3.255", "voltage quality logger"),
    ("1.1.133.0.19.255", "voltage quality counter"),
    ("1.1.134.0.12.255", "voltage limit"),
    ("1.1.134.0.21.255", "masks and thresholds"),
    ("1.1.96.51.1.255", "power threshold"),
    ("1.1.96.52.31.255", "load control 1"),
    ("1.1.96.53.1.255", "pulse input"),
    ("1.1.96.54.1.255", "ROM"),
    ("1.1.1.8.0.128", "verification"),
    ("1.1.3.8.4.129", "secondary"),
    ("1.1.2.128.0.255", "trip counter"),
    ("1.1.0.1.5.128", "billing stop"),
    ("1.1.81.7.128.255", "Ln"),
]


@pytest.mark.parametrize(("code", "text"), MEANINGS)
def test_meanings(code: str, text: str) -> None:
    described = describe(code)
    assert str(described) == described.text == text
    assert described.scope is Scope.STANDARD


@pytest.mark.parametrize(("code", "class_ids", "unit"), CLASSES)
def test_classes_and_units(code: str, class_ids: tuple[int, ...], unit: str) -> None:
    described = describe(code)
    assert (described.class_ids, described.unit) == (class_ids, unit)


@pytest.mark.parametrize(("code", "scope", "text"), FOREIGN)
def test_whose_ground_it_is(code: str, scope: Scope, text: str) -> None:
    described = describe(code)
    assert (described.scope, described.text) == (scope, text)
    assert described.class_ids == ()


def test_each_group() -> None:
    described = describe("1-2:1.8.3*101")
    assert described.medium == "electricity"
    assert described.code == Obis(1, 2, 1, 8, 3, 101)
    assert described.groups == (
        "electricity",
        "channel 2",
        "active power import (P+), total, QI+QIV",
        "time integral 1, since start of measurement",
        "tariff 3",
        "last billing period",
    )


def test_every_form_of_a_code() -> None:
    assert describe("1-0:1.8.0") == describe(b"\x01\x00\x01\x08\x00\xff") == describe(Obis("0100010800FF"))
    with pytest.raises(ObisError):
        describe("1-0")


@pytest.mark.parametrize(("code", "remark"), KAMSTRUP)
def test_kamstrup_ranges_are_named(code: str, remark: str) -> None:
    described = describe(code)
    assert described.scope is Scope.MANUFACTURER
    assert "manufacturer-specific" in described.text
    assert f"Kamstrup: {remark}" in described.text or remark in described.remarks[0]


def test_remarks_on_standard_codes_stay_out_of_the_text() -> None:
    described = describe("1.1.99.98.5.255")
    assert described.text == "Event log, instance 5, channel 1"
    assert described.remarks == ("Kamstrup: cut-off logger",)


def _checked(described: Description) -> None:
    """What holds for every code whatsoever."""
    assert described.text == described.text.strip() != ""
    assert described.text.isprintable()
    assert described.text[0] == described.text[0].upper()
    assert all(type(meaning) is str and meaning for meaning in described.groups)
    said = described.scope.value if described.scope is not Scope.STANDARD else ""
    assert said in described.text


@given(st.tuples(st.sampled_from([*MEDIA, 2, 255]), *[st.integers(0, 255)] * 5))
def test_every_code_has_a_description(groups: tuple[int, int, int, int, int, int]) -> None:
    _checked(describe(Obis(*groups)))


@given(
    st.sampled_from([*MEDIA]),
    st.sampled_from([0, 1]),
    st.integers(0, 127),
    st.integers(0, 99),
    st.integers(0, 130),
    st.sampled_from([255, 0, 101, 126, 128]),
)
def test_every_code_on_the_standard_s_ground(a: int, b: int, c: int, d: int, e: int, f: int) -> None:
    _checked(describe(Obis(a, b, c, d, e, f)))


def test_every_medium_has_a_table() -> None:
    assert set(SOURCES) == set(MEDIA)


@pytest.mark.parametrize("a", SOURCES)
def test_tables_stay_on_the_standard_s_ground(a: int) -> None:
    medium: Medium = table(a)
    for c, d in medium.places:
        assert c < 128
        assert d < 128
        assert medium.kind(c)
    for block in medium.blocks:
        assert max(block.quantities) < 128
        assert max(block.processing) < 128


@pytest.mark.parametrize("a", SOURCES)
def test_no_family_is_hidden_by_another(a: int) -> None:
    for families in table(a).places.values():
        taken: set[int] = set()
        for _, family in families:
            own = {e for e in range(256) if family.variants.label(e) is not None}
            assert own - taken, f"{family} is never reached"
            taken |= own


def test_phases_stand_twenty_apart() -> None:
    for c in range(1, 21):
        names = {QUANTITIES[c + offset].name for offset in (0, 20, 40, 60)}
        assert len(names) == 1
    assert [QUANTITIES[c].where for c in (3, 23, 43, 63)] == ["total", "L1", "L2", "L3"]


def test_every_overlay_is_reached() -> None:
    for owner, rows in overlays.OWNERS.items():
        for row in rows:
            assert overlays.remarks(overlays.typical(row)).get(owner), row


def test_every_kamstrup_object() -> None:
    if not KAMSTRUP_CSV.exists():
        pytest.skip("the list of Kamstrup's objects is not beside this checkout")
    with KAMSTRUP_CSV.open(newline="") as file:
        rows = list(csv.DictReader(file))
    texts = set()
    for row in rows:
        described = describe(row["obis"])
        _checked(described)
        assert described.scope in (Scope.STANDARD, Scope.MANUFACTURER), described
        if described.scope is Scope.MANUFACTURER:
            assert "(Kamstrup: " in described.text, described
        elif row["unit"] not in ("", "h"):
            assert described.unit == row["unit"].replace("deg", "°"), described
        texts.add(described.text)
    assert len(rows) >= 400
    assert len(texts) == len(rows), "two objects share a text"
