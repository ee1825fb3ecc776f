"""The code: every form of text, what is refused and where, order, matching."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obis import Obis, ObisError
from obis.code import LETTERS

SIX = st.binary(min_size=6, max_size=6)
ACTIVE_IMPORT = bytes((1, 0, 1, 8, 0, 255))


@pytest.mark.parametrize(
    "text",
    [
        "1.0.1.8.0.255",
        "01.000.001.08.0.255",
        "  1.0.1.8.0.255\n",
        "1-0:1.8.0*255",
        "1-0:1.8.0&255",
        "1-0:1.8.0",
        "0:1.8.0",
        "1-1.8.0",
        "1.8.0",
        "1.8.0*255",
        "0100010800FF",
        "0100010800ff",
        "01 00 01 08 00 ff",
    ],
)
def test_text_forms(text: str) -> None:
    assert Obis(text) == ACTIVE_IMPORT


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("1.8", "1.0.1.8.255.255"),
        ("1.8.2*03", "1.0.1.8.2.3"),
        ("1.8.2&3", "1.0.1.8.2.3"),
        ("1-0:1.6.0*126", "1.0.1.6.0.126"),
        ("0-2:96.1.0", "0.2.96.1.0.255"),
        ("6-0:1.0.0", "6.0.1.0.0.255"),
        ("C.1.0", "1.0.96.1.0.255"),
        ("c.1.0", "1.0.96.1.0.255"),
        ("F.F", "1.0.97.97.255.255"),
        ("0-0:F.F.0", "0.0.97.97.0.255"),
        ("1-0:P.1.0", "1.0.99.1.0.255"),
        ("1-0:L.1.0*126", "1.0.98.1.0.126"),
        ("1.P.0", "1.0.1.99.0.255"),
        ("123456789012", "18.52.86.120.144.18"),
    ],
)
def test_what_is_left_out_and_display_letters(text: str, plain: str) -> None:
    assert str(Obis(text)) == plain


@pytest.mark.parametrize(
    "raw", [ACTIVE_IMPORT, bytearray(ACTIVE_IMPORT), memoryview(ACTIVE_IMPORT), Obis(ACTIVE_IMPORT)]
)
def test_bytes(raw: bytes | bytearray | memoryview) -> None:
    assert Obis(raw) == ACTIVE_IMPORT


def test_groups_and_shape() -> None:
    code = Obis(1, 2, 3, 4, 5, 6)
    assert (code.a, code.b, code.c, code.d, code.e, code.f) == (1, 2, 3, 4, 5, 6)
    assert str(code) == f"{code}" == "1.2.3.4.5.6"
    assert code.reduced == "1-2:3.4.5*6"
    assert repr(code) == "Obis('1.2.3.4.5.6')"
    assert isinstance(code, bytes)
    assert b"\x09\x06" + code == bytes.fromhex("0906010203040506")


@given(SIX)
def test_round_trips(raw: bytes) -> None:
    code = Obis(raw)
    forms = [str(code), code.reduced, code.reduced.replace("*", "&"), code.hex(), code.hex(" ").upper()]
    assert {Obis(form) for form in forms} == {code}
    assert Obis(*raw) == code == raw
    assert hash(code) == hash(raw)


@given(SIX, st.sampled_from(range(pickle.HIGHEST_PROTOCOL + 1)))
def test_pickles_and_copies(raw: bytes, protocol: int) -> None:
    code = Obis(raw)
    for other in (pickle.loads(pickle.dumps(code, protocol)), copy.copy(code), copy.deepcopy(code)):
        assert type(other) is Obis
        assert other == code


@given(st.lists(SIX))
def test_order_is_that_of_the_groups(raws: list[bytes]) -> None:
    assert [tuple(code) for code in sorted(map(Obis, raws))] == sorted(map(tuple, raws))


@given(st.sampled_from("CFLPcflp"), st.integers(0, 255))
def test_letters_stand_for_numbers(letter: str, other: int) -> None:
    number = LETTERS[letter.upper()]
    assert Obis(f"1-0:{letter}.{other}.0") == Obis(1, 0, number, other, 0, 255)
    assert Obis(f"1-0:{other}.{letter}.0") == Obis(1, 0, other, number, 0, 255)


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("1.0.1.8.0.256", 10, "256"),
        ("1.0.1.8.0.0255", 10, "0255"),
        ("256-0:1.8.0", 0, "256"),
        ("1-0:1.8.0*" + "9" * 5000, 10, "9999"),
        ("1.0.1.8", 5, "A.B.C.D.E.F"),
        ("1.0.1.8.0", 5, "A.B.C.D.E.F"),
        ("1.0.1.8.0.255.1", 5, "A.B.C.D.E.F"),
        ("1-0:1.8.0*", 9, "A.B.C.D.E.F"),
        ("1-0:1", 0, "A.B.C.D.E.F"),
        ("1-0:1.8.0#255", 9, "'#'"),
        ("energy", 0, "'e'"),
        ("1-0:C.1.x", 8, "'x'"),
        ("0100010800F", 0, "A.B.C.D.E.F"),
        ("1.0.1.8.0.\u0662", 10, "'\u0662'"),
        ("-1.0.1.8.0.255", 0, "A.B.C.D.E.F"),
        ("", None, "empty"),
        (" \t", None, "empty"),
    ],
)
def test_bad_text_is_named_with_its_position(text: str, position: int | None, part: str) -> None:
    with pytest.raises(ObisError) as caught:
        Obis(text)
    assert caught.value.position == position
    assert part in str(caught.value)
    assert text[:20].strip() in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (1,),
        (1, 0, 1, 8, 0),
        (1, 0, 1, 8, 0, 256),
        (1, 0, 1, 8, 0, -1),
        (1, 0, 1, 8, 0, "255"),
        (1, 0, 1, 8, 0, 255, 0),
        (b"\1\0\1\x08\0",),
        (b"",),
        (bytes(1_000_000),),
        (None,),
        (1, 0, 1, 8, 0, 10**5000),
        (1, 0, 1, 8, 0, 25.0),
        ([1, 0, 1, 8, 0, 255],),
    ],
)
def test_bad_values(parts: tuple[object, ...]) -> None:
    with pytest.raises(ObisError) as caught:
        Obis(*parts)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300


@given(st.text() | st.text(alphabet="0123456789.-:*&CFLP "))
def test_any_text_is_a_code_or_refused_within_it(text: str) -> None:
    position: int | None = 0
    try:
        assert len(Obis(text)) == 6
    except ObisError as fault:
        position = fault.position
    assert position is None or 0 <= position < max(1, len(text.strip()))


def test_error_pickles() -> None:
    with pytest.raises(ObisError) as caught:
        Obis("1.0.1.8.0.256")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.position) == (str(caught.value), 10)
    assert isinstance(again, ValueError)


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("1.0.1.8.0.255", True),
        ("1.*.1-4.8.0,2.255", True),
        ("*.*.*.*.*.*", True),
        ("1.0.1.8.0.0-99,255", True),
        ("1.0.2-4.8.0.255", False),
        ("1.0.1.8.1-63.255", False),
        ("0.*.*.*.*.*", False),
    ],
)
def test_matches(pattern: str, fits: bool) -> None:
    assert Obis("1-0:1.8.0").matches(pattern) is fits


@given(SIX, st.lists(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), min_size=1), min_size=6, max_size=6))
def test_matches_as_sets_do(raw: bytes, ranges: list[list[tuple[int, int]]]) -> None:
    pattern = ".".join(",".join(f"{min(pair)}-{max(pair)}" for pair in group) for group in ranges)
    wanted = all(
        any(min(pair) <= value <= max(pair) for pair in group) for value, group in zip(raw, ranges, strict=True)
    )
    if len(pattern) <= 400:
        assert Obis(raw).matches(pattern) is wanted


@pytest.mark.parametrize(
    ("pattern", "position"),
    [
        ("1.0.1.8.0", None),
        ("1.0.1.8.0.255.1", None),
        ("", None),
        ("1.0.1.8.x.255", 8),
        ("1.0.1-.8.0.255", 4),
        ("1.0.4-1.8.0.255", 4),
        ("1.0.1,256.8.0.255", 6),
        ("1.0.1,,2.8.0.255", 6),
        ("1.0.1.8.0.\u0662", 10),
        ("1," * 1000 + "1.0.1.8.0.255", None),
    ],
)
def test_bad_pattern(pattern: str, position: int | None) -> None:
    with pytest.raises(ObisError) as caught:
        Obis("1-0:1.8.0").matches(pattern)
    assert caught.value.position == position
    assert len(str(caught.value)) < 250
