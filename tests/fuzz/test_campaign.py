"""A few rounds of every campaign; `python -m tests.fuzz` plays as many as are wanted."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import CAMPAIGNS, SCENARIOS, play

ROUNDS = 25


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_rounds(campaign: str, scenario: str) -> None:
    for seed in range(ROUNDS):
        play(campaign, scenario, seed)
