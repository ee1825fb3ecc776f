"""The meter models that there are, by name.  A model's module is imported when somebody asks for it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meters.model import MeterModel

MODELS = {"kamstrup-382": "meters.kamstrup.k382"}
"""Name -> module that holds MODEL."""


def load(name: str) -> MeterModel:
    """The model of that name.  Raises LookupError that names those that there are."""
    if name not in MODELS:
        raise LookupError(f"no meter model {name!r}; there are: {', '.join(sorted(MODELS))}")
    model: MeterModel = importlib.import_module(MODELS[name]).MODEL
    return model
