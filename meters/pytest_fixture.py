"""A pytest fixture with virtual meters: put `pytest_plugins = ["meters.pytest_fixture"]` into a conftest.

def test_my_head_end(virtual_meters):
    running = virtual_meters("kamstrup-382", serial=12345678)
    my_head_end.read(running.url)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from meters.run import Running, run


@pytest.fixture
def virtual_meters() -> Iterator[Callable[..., Running]]:
    """`meters.run` whose meters are closed when the test ends; they listen on a free port unless told otherwise."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: object, **options: object) -> Running:
            return stack.enter_context(run(*arguments, **options))  # type: ignore[arg-type]  # as `run` takes them

        yield start
