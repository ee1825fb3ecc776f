"""Exchanges that are timed come to what they must."""

from __future__ import annotations

import pytest

from tests.benchmarks.exchanges import EXCHANGES


@pytest.mark.parametrize("name", EXCHANGES)
def test_result(name: str) -> None:
    exchange, expected = EXCHANGES[name]
    assert exchange() == exchange() == expected
