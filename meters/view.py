"""The client's view of a meter: its registers, loggers and commands by the names of its model.

with meters.connect("kamstrup-382", url) as m:
    m.energy.active_import                  # Reading
    m["energy.active_import.t1"]            # the same for any name of `meters objects`
    m.load_profile(start, end)              # Profile
    m.events("voltage-quality")             # Profile
    m.disconnect()                          # a command of the model
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from dlms.client import Client
from dlms.cosem_time import DateTime
from dlms.ic import Clock, ExtendedRegister, ProfileGeneric, Register
from dlms.operations.profiles import Entries, Moment
from dlms.profile import Profile

if TYPE_CHECKING:
    from meters.model import MeterModel

VALUE = 2
"""The attribute that holds the value of an object."""


class MeterView:
    """A meter behind a client.  Every read and write raises what the client's verbs raise, LookupError for a wrong name."""

    def __init__(self, client: Client, model: MeterModel) -> None:
        self.client, self.model = client, model

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the association and hang up."""
        self.client.close()

    def __getitem__(self, name: str) -> Any:
        """Read by name: a Reading for a register, a DateTime for a clock, a Profile for a logger, else the value."""
        found = self.model[name]
        if isinstance(found, Register | ExtendedRegister):
            return self.client.read(found)
        if isinstance(found, ProfileGeneric):
            return self.client.profile(found)
        value = self.client.get(found.attribute_ref(VALUE))
        return DateTime(value) if isinstance(found, Clock) else value

    def write(self, name: str, value: Any) -> None:
        """Write the value of an object; a plain number takes the type that the model declares."""
        row = self.model.by_key.get(name)
        ref = self.model[name].attribute_ref(VALUE)
        attributes = getattr(row, "attributes", {})
        self.client.set(ref, attributes[VALUE].type.coerce(value) if VALUE in attributes else value)

    def profile(
        self, name: str, start: Moment | None = None, end: Moment | None = None, *, entries: Entries | None = None
    ) -> Profile:
        """A logger by name: whole, between two times, or by entries."""
        found = self.model[name]
        if not isinstance(found, ProfileGeneric):
            raise LookupError(f"{name} of {self.model.name} is no logger")
        return self.client.profile(found, start, end, entries=entries)

    def load_profile(self, start: Moment | None = None, end: Moment | None = None) -> Profile:
        """The load profile, whole or between two times."""
        return self.profile("load_profile", start, end)

    def events(self, name: str, start: Moment | None = None, end: Moment | None = None) -> Profile:
        """An event logger by the last part of its name, such as "voltage-quality"."""
        return self.profile(f"events.{name.replace('-', '_')}", start, end)

    def command(self, name: str) -> None:
        """Carry out a command of the model, such as "disconnect"."""
        if name not in self.model.commands:
            raise LookupError(f"{self.model.name} has no command {name!r}; it has: {', '.join(self.model.commands)}")
        self.write(*self.model.commands[name])

    def __getattr__(self, name: str) -> Any:
        """A command, an object without a dot in its name, or a group of objects."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.model.commands:
            return functools.partial(self.command, name)
        return _resolved(self.model, self.__getitem__, name)

    def __dir__(self) -> list[str]:
        groups = {key.partition(".")[0] for key in self.model.by_key}
        return sorted({*object.__dir__(self), *groups, *self.model.commands})


class Group:
    """The objects of a meter whose names begin alike: `m.energy`.

    Where one name is the beginning of another (`energy.active_import.t1`) the longer one is read as `m[name]`.
    """

    def __init__(self, model: MeterModel, read: Callable[[str], Any], prefix: str) -> None:
        self._model, self._read, self._prefix = model, read, prefix

    def __getattr__(self, name: str) -> Any:
        """The value of the object of that name, or a group within the group."""
        if name.startswith("_"):
            raise AttributeError(name)
        return _resolved(self._model, self._read, f"{self._prefix}.{name}")

    def __dir__(self) -> list[str]:
        start = f"{self._prefix}."
        return sorted({key[len(start) :].partition(".")[0] for key in self._model.by_key if key.startswith(start)})


def _resolved(model: MeterModel, read: Callable[[str], Any], name: str) -> Any:
    if name in model.by_key:
        return read(name)
    if any(key.startswith(f"{name}.") for key in model.by_key):
        return Group(model, read, name)
    raise AttributeError(f"{model.name} has no object {name!r}")
