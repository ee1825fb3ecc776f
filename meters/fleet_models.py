"""What fleets can be simulated of: the models, and those members of the family whose own object lists are not known yet.

The latter measure as `meters.engine.kamstrup` declares them, and write down what the list of the 382 has for their
wiring and features; that their lists are parts of it is inferred.  There is nothing of them that a client could read, so
they cannot be emulated.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from meters.models import MODELS, load

if TYPE_CHECKING:
    from meters.engine import Config, Quantity
    from meters.model import MeterModel
    from meters.objects import Object

FAMILY = "kamstrup-382"
"""Whose list the others' are parts of."""
RELATIVES = {"kamstrup-162": "K162", "kamstrup-282": "K282", "kamstrup-382-din": "K382_DIN"}
"""Name -> its name in `meters.engine.kamstrup`."""
FLEETS = tuple(sorted(MODELS.keys() | RELATIVES.keys()))


def load_fleet(name: str) -> MeterModel:
    """The model of that name, or as much of it as a fleet needs.  Raises LookupError that names those that there are."""
    if name in MODELS:
        return load(name)
    if name not in RELATIVES:
        raise LookupError(f"no model {name!r}; there are: {', '.join(FLEETS)}")
    from meters.engine import LogName, kamstrup

    metrology: Config = getattr(kamstrup, RELATIVES[name])
    model = load(FAMILY)
    return dataclasses.replace(
        model,
        name=name,
        title=f"{name}: metrology only",
        metrology=metrology,
        objects=tuple(row for row in model.objects if _has(metrology, row)),
        logs=tuple(log for log in model.logs_of_data() if log.log in (LogName.LOAD_PROFILE, LogName.BILLING)),
        logger_only=frozenset(),
        associations=(),
        control=None if metrology.control is None else model.control,
        commands={},
    )


def _has(metrology: Config, row: Object) -> bool:
    """Whether a meter of this metrology has an object of the list."""
    from meters.engine import Quantity

    if row.needs is not None and row.needs not in metrology.features:
        return False
    quantities = [one.source for one in row.attributes.values() if isinstance(one.source, Quantity)]
    return all(_is_measured(metrology, quantity) for quantity in quantities)


def _is_measured(metrology: Config, quantity: Quantity) -> bool:
    """A phase needs its element; the elements of an Aron meter have voltages and currents, but no powers of a phase."""
    from meters.engine import Wiring
    from meters.engine.quantity import COMPONENTS

    if quantity.phase not in (0, *metrology.wiring.phases):
        return False
    return metrology.wiring is not Wiring.ARON or not quantity.phase or quantity.measurand not in COMPONENTS
