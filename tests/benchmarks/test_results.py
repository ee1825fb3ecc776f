"""All contestants come to the same results, and the table says who takes part.  No rate is judged here."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import protected
from tests.benchmarks.case import Case, Contestant
from tests.benchmarks.cases import FLOOR_NAME, OURS, PEERS, RATES, contestants
from tests.benchmarks.measure import QUICK, Measured, WrongResult, measure
from tests.benchmarks.report import HEADINGS, as_json, table

TWO = Case("sum", "sums", 2, target=3)


def test_we_and_the_floor_take_part_in_every_case() -> None:
    tables = contestants()
    names = {case.name for case in RATES}
    assert len(names) == len(RATES)
    assert set(tables[OURS]) == set(tables[FLOOR_NAME]) == names
    assert all(set(tables[peer]) <= names for peer in PEERS if peer in tables)


@pytest.mark.interop
def test_all_results_are_still_correct() -> None:
    tables = contestants()
    for peer in PEERS:
        if peer not in tables:
            pytest.skip(f"{peer} is not installed (extra `interop`)")
    results = [measure(case, tables, QUICK) for case in RATES]
    text = table(results, list(PEERS), verdicts=False)
    assert len(text.splitlines()) == len(RATES) + 2
    missing = {result.case.name for result in results if len(result.rates) < len(tables)}
    assert missing - {case.name for case in protected.CASES} == {"glo-get-response", "SET-request encode"}
    assert text.count("not entered") == sum(len(tables) - len(result.rates) for result in results)
    alone = [entry["case"] for entry in json.loads(json.dumps(as_json(results))) if not entry["to_best_peer"]]
    assert alone == [protected.HLS]


def test_a_wrong_result_is_never_timed() -> None:
    tables = {OURS: {"sum": Contestant(lambda: 2)}, FLOOR_NAME: {"sum": Contestant(lambda: 3)}}
    with pytest.raises(WrongResult, match="sum by floor: 3, not 2"):
        measure(TWO, tables, QUICK)


def test_a_result_that_changes_with_the_second_call_is_wrong() -> None:
    left = iter((2, 1))
    with pytest.raises(WrongResult, match="by ours: 1"):
        measure(TWO, {OURS: {"sum": Contestant(lambda: next(left))}}, QUICK)


def test_ratios_are_to_the_best_peer_and_to_the_floor() -> None:
    result = Measured(TWO, {OURS: 600.0, "gurux-dlms": 100.0, "dlms-cosem": 200.0, FLOOR_NAME: 1800.0})
    assert (result.best_peer, result.to_best_peer, result.to_floor) == ("dlms-cosem", 3.0, 3.0)
    head, _, line = table([result], ["gurux-dlms", "dlms-cosem"]).splitlines()
    assert [cell.strip() for cell in head.split("|")] == list(HEADINGS)
    assert [cell.strip() for cell in line.split("|")][-3:] == ["3.0x", ">=3x met", "3.0x"]


def test_the_floor_has_a_limit_where_the_case_names_one() -> None:
    case = Case("sum", "sums", 2, slowest=0.5)
    for rate, verdict in ((300.0, "0.50x, <=0.50x met"), (301.0, "0.50x, <=0.50x MISSED")):
        line = table([Measured(case, {OURS: 600.0, FLOOR_NAME: rate})], []).splitlines()[2]
        assert line.split("|")[-1].strip() == verdict
    hasty = table([Measured(case, {OURS: 600.0, FLOOR_NAME: 300.0})], [], verdicts=False).splitlines()[2]
    assert hasty.split("|")[-1].strip() == "0.50x, <=0.50x"


def test_a_peer_that_is_not_installed_is_named() -> None:
    result = Measured(TWO, {OURS: 600.0, "gurux-dlms": 300.0, FLOOR_NAME: 1800.0})
    line = table([result], ["gurux-dlms"]).splitlines()[2]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[4] == "not installed"
    assert cells[-2] == ">=3x MISSED"
