"""What meters are: models, virtual meters that behave like them, and the client's way to real ones.

`connect` opens an association with a meter of a known model, `run` starts virtual meters, `load` finds a model by name.
"""

from __future__ import annotations

from meters.connect import connect
from meters.models import MODELS, load
from meters.run import Running, run
from meters.view import MeterView

__all__ = ["MODELS", "MeterView", "Running", "connect", "load", "run"]
