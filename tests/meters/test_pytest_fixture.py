"""The fixture for people who test head-ends: meters start when asked and are gone when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import meters
from dlms.errors import LinkError
from meters import pytest_fixture

virtual_meters = pytest_fixture.virtual_meters


@pytest.fixture
def gone_afterwards() -> Iterator[list[str]]:
    """Made before the meters, so ended after them: whatever URL is put in must then be dead."""
    urls: list[str] = []
    yield urls
    assert urls
    for url in urls:
        with pytest.raises(LinkError):
            meters.connect("kamstrup-382", url)


def test_meters_run_and_end(gone_afterwards: list[str], virtual_meters: Callable[..., meters.Running]) -> None:
    for serial in (4711, 4712):
        running = virtual_meters("kamstrup-382", serial=serial, scenario="idle", history_days=0.0)
        with meters.connect("kamstrup-382", running.url) as meter:
            assert meter.identity.serial_number == serial
        gone_afterwards.append(running.url)
