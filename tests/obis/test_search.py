"""The search by words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obis import Scope, describe, find
from obis.search import _index
from obis.tables.words import SYNONYMS

FIRST = [
    ("energy import total", "1.0.1.8.0.255"),
    ("a+", "1.0.1.8.0.255"),
    ("A-", "1.0.2.8.0.255"),
    ("p+ l3", "1.0.61.7.0.255"),
    ("reactive power l2", "1.0.43.7.0.255"),
    ("voltage l1", "1.0.32.7.0.255"),
    ("volts l1", "1.0.32.7.0.255"),
    ("neutral current", "1.0.91.7.0.255"),
    ("thd u l1", "1.0.32.7.124.255"),
    ("5th harmonic voltage l2", "1.0.52.7.5.255"),
    ("harmonic 3 current l1", "1.0.31.7.3.255"),
    ("power", "1.0.1.7.0.255"),
    ("power factor", "1.0.13.7.0.255"),
    ("frequency", "1.0.14.7.0.255"),
    ("import energy tariff 2", "1.0.1.8.2.255"),
    ("a+ t2", "1.0.1.8.2.255"),
    ("a+ rate 4", "1.0.1.8.4.255"),
    ("max demand", "1.0.1.6.0.255"),
    ("a+ channel 3", "1.3.1.8.0.255"),
    ("clock", "0.0.1.0.0.255"),
    ("disconnect control", "0.0.96.3.10.255"),
    ("breaker", "0.0.96.3.10.255"),
    ("serial number", "0.0.96.1.0.255"),
    ("event counter 3", "0.0.96.15.2.255"),
    ("load profile 2", "0.0.99.2.0.255"),
    ("security setup", "0.0.43.0.0.255"),
    ("push setup", "0.0.25.9.0.255"),
    ("heat energy", "6.0.1.0.0.255"),
    ("water volume", "8.0.1.0.0.255"),
    ("gas carbon dioxide", "7.0.70.66.0.255"),
    ("flow temp", "4.0.5.0.0.255"),
    ("kamstrup breaker", "1.1.128.0.0.255"),
    ("kvarh export", "1.0.4.8.0.255"),
]


@pytest.mark.parametrize(("words", "code"), FIRST)
def test_first_result(words: str, code: str) -> None:
    assert str(find(words)[0].code) == code


def test_words_as_a_list() -> None:
    assert find(["reactive", "power", "l2"]) == find("reactive power l2")


@pytest.mark.parametrize(
    "words", ["", "   ", "12", "1.0.1.8.0.256", "xyzzy", "qqq zzz www energy", "+-*", "channel 900 a+"]
)
def test_nothing(words: str) -> None:
    assert find(words) == []


def test_some_of_the_words_do() -> None:
    assert str(find("active import frobnicated energy")[0].code) == "1.0.1.8.0.255"


def test_a_number_that_fits_no_series_rules_a_row_out() -> None:
    assert find("a+ tariff 64") == []


def test_limit() -> None:
    assert [len(find("voltage", limit=limit)) for limit in (0, 1, 7)] == [0, 1, 7]


def test_results_are_descriptions_and_differ() -> None:
    found = find("energy", limit=200)
    assert len({description.code for description in found}) == len(found) == 200
    assert all(description == describe(description.code) for description in found)


def test_every_row_is_allotted() -> None:
    """The search offers nothing that the describer calls reserved, but for EDL's medium of its own."""
    for row in _index().rows:
        described = describe(bytes(row.code))
        assert described.scope is not Scope.RESERVED or described.remarks, described


def test_every_synonym_leads_to_words_of_the_tables() -> None:
    index = _index()
    known = {*index.said, *index.beside, *index.numbered}
    for word, names in SYNONYMS.items():
        assert known.issuperset(names), word
        assert find(word, limit=1), word


@given(st.text(max_size=50))
def test_any_words(words: str) -> None:
    assert len(find(words, limit=3)) <= 3


def test_endless_words() -> None:
    assert find("energy " * 100_000, limit=1)
    assert find("9" * 100_000) == []
    assert find("tariff " + "9" * 300) == []
