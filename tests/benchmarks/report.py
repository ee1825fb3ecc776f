"""The table of rates, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.cases import FLOOR_NAME, OURS, PEERS
from tests.benchmarks.measure import Measured

HEADINGS = ("case", "unit/s", OURS, *PEERS, FLOOR_NAME, "to best peer", "target", "floor to ours")


def table(results: Sequence[Measured], installed: Sequence[str], verdicts: bool = True) -> str:
    """One line a case, in columns; names to the left, numbers to the right.  Hasty rates give no verdict."""
    rows = [HEADINGS, *(_row(result, installed, verdicts) for result in results)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEADINGS))]
    lines = [" | ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-|-".join("-" * width for width in widths), *lines[1:]])


def as_json(results: Sequence[Measured]) -> list[dict[str, Any]]:
    """One object a case."""
    return [
        {
            "case": result.case.name,
            "unit": result.case.unit,
            "note": result.case.note,
            "rates": {name: round(rate, 1) for name, rate in result.rates.items()},
            "best_peer": result.best_peer,
            "to_best_peer": None if result.to_best_peer is None else round(result.to_best_peer, 2),
            "target": result.case.target,
            "floor_to_ours": round(result.to_floor, 2),
            "slowest": result.case.slowest,
        }
        for result in results
    ]


def _row(result: Measured, installed: Sequence[str], verdicts: bool) -> tuple[str, ...]:
    peers = (_rate(result, name, "not entered" if name in installed else "not installed") for name in PEERS)
    ratio, target = result.to_best_peer, result.case.target
    return (
        result.case.name,
        result.case.unit,
        _rate(result, OURS),
        *peers,
        _rate(result, FLOOR_NAME),
        "" if ratio is None else f"{ratio:.1f}x",
        _verdict(ratio if verdicts else None, target),
        _to_floor(result, verdicts),
    )


def _to_floor(result: Measured, verdicts: bool) -> str:
    ratio, slowest = result.to_floor, result.case.slowest
    if slowest is None:
        return f"{ratio:.1f}x"
    return f"{ratio:.2f}x, <={slowest:.2f}x" + (f" {'met' if ratio <= slowest else 'MISSED'}" if verdicts else "")


def _verdict(ratio: float | None, target: float | None) -> str:
    if target is None:
        return ""
    return f">={target:g}x" if ratio is None else f">={target:g}x {'met' if ratio >= target else 'MISSED'}"


def _rate(result: Measured, name: str, otherwise: str = "") -> str:
    """Three digits are all that a shared machine gives."""
    if name not in result.rates:
        return otherwise
    rate = result.rates[name]
    return f"{float(f'{rate:.3g}'):,.0f}".replace(",", " ")


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    sized = enumerate(zip(row, widths, strict=True))
    return [cell.ljust(width) if place < 2 else cell.rjust(width) for place, (cell, width) in sized]
