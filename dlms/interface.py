"""How an interface class is declared, and how one attribute or method of one object is named.

A declaration describes; it holds no values and does no I/O.  An instance of an interface class is an address:

    energy = Register("1.0.1.8.0.255")
    energy.value            # AttributeRef[int]: what a GET names; client and server both key on it

No attribute access ever causes traffic, so one declaration serves the blocking client, the asynchronous one and the server.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Generic, TypeVar, overload

from dlms.errors import LocalProtocolError
from dlms.types import CHOICE, DataType, OctetString
from obis import Obis

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class AttributeRef(Generic[T]):
    """One attribute of one object.  `attribute` is its declaration, None for a class that is not declared."""

    class_id: int
    instance: Obis
    index: int
    attribute: AttributeDeclaration | None = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        name = f" {self.attribute.name}" if self.attribute else ""
        return f"{self.instance}:{self.index}{name} (class {self.class_id})"


@dataclasses.dataclass(frozen=True, slots=True)
class MethodRef(Generic[T]):
    """One method of one object.  `method` is its declaration, None for a class that is not declared."""

    class_id: int
    instance: Obis
    index: int
    method: MethodDeclaration | None = dataclasses.field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        name = f" {self.method.name}" if self.method else ""
        return f"{self.instance} method {self.index}{name} (class {self.class_id})"


@dataclasses.dataclass(eq=False)
class AttributeDeclaration:
    """An attribute of a class: its index and its type.

    `static` values do not change by themselves: a client may read them once and keep them.  `selectors` are the
    selective accesses that the class offers for it.  What is `secret` is written and never shown.
    """

    index: int
    type: DataType
    static: bool = False
    selectors: tuple[int, ...] = ()
    name: str = ""
    secret: bool = False

    def __set_name__(self, owner: object, name: str) -> None:
        self.name = name

    @property
    def short_name_offset(self) -> int:
        """Distance from the object's base name.  Blue Book, short name references."""
        return 8 * (self.index - 1)


class Attribute(AttributeDeclaration, Generic[T]):
    """An attribute in a class body.  On an instance it yields the AttributeRef."""

    @overload
    def __get__(self, obj: None, owner: object) -> Attribute[T]: ...
    @overload
    def __get__(self, obj: Interface, owner: object) -> AttributeRef[T]: ...
    def __get__(self, obj: Interface | None, owner: object) -> Attribute[T] | AttributeRef[T]:
        return self if obj is None else AttributeRef(obj.class_id, obj.instance, self.index, self)


@dataclasses.dataclass(eq=False)
class MethodDeclaration:
    """A method of a class: its index, its parameter's type and its short-name offset from the base name.

    The parameter of one that takes a `secret` is never shown.
    """

    index: int
    parameter: DataType
    short_name_offset: int
    returns: DataType | None = None
    name: str = ""
    secret: bool = False

    def __set_name__(self, owner: object, name: str) -> None:
        self.name = name


class Method(MethodDeclaration, Generic[T]):
    """A method in a class body.  On an instance it yields the MethodRef."""

    @overload
    def __get__(self, obj: None, owner: object) -> Method[T]: ...
    @overload
    def __get__(self, obj: Interface, owner: object) -> MethodRef[T]: ...
    def __get__(self, obj: Interface | None, owner: object) -> Method[T] | MethodRef[T]:
        return self if obj is None else MethodRef(obj.class_id, obj.instance, self.index, self)


INTERFACES: dict[tuple[int, int], type[Interface]] = {}
"""Every declared class by (class_id, version)."""


class Interface:
    """An address: which object.  Subclasses declare the attributes and methods of one (class_id, version)."""

    __slots__ = ("instance",)

    class_id: ClassVar[int]
    version: ClassVar[int]
    attributes: ClassVar[dict[int, AttributeDeclaration]]
    methods: ClassVar[dict[int, MethodDeclaration]]

    instance: Obis
    logical_name: ClassVar[Attribute[bytes]] = Attribute(1, OctetString(6), static=True)

    def __init__(self, instance: str | bytes) -> None:
        self.instance = instance if isinstance(instance, Obis) else Obis(instance)

    def __init_subclass__(cls, *, class_id: int, version: int = 0) -> None:
        cls.class_id, cls.version = class_id, version
        members = [member for base in reversed(cls.__mro__) for member in vars(base).values()]
        cls.attributes = {m.index: m for m in members if isinstance(m, AttributeDeclaration)}
        cls.methods = {m.index: m for m in members if isinstance(m, MethodDeclaration)}
        INTERFACES[class_id, version] = cls

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Interface) and self.instance == other.instance

    def __hash__(self) -> int:
        return hash((self.class_id, self.version, self.instance))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.instance)!r})"

    def attribute_ref(self, index: int) -> AttributeRef[Any]:
        """The reference of attribute `index`, declared or not."""
        return AttributeRef(self.class_id, self.instance, index, self.attributes.get(index))

    def method_ref(self, index: int) -> MethodRef[Any]:
        """The reference of method `index`, declared or not."""
        return MethodRef(self.class_id, self.instance, index, self.methods.get(index))


def latest(class_id: int) -> type[Interface] | None:
    """The newest declared version of a class, or None."""
    versions = [version for known, version in INTERFACES if known == class_id]
    return INTERFACES[class_id, max(versions)] if versions else None


def attribute_ref(
    class_id: int, instance: str | bytes | Obis, index: int, version: int | None = None
) -> AttributeRef[Any]:
    """A reference by numbers; the declaration is found when there is one (the newest, unless `version` says which)."""
    of = latest(class_id) if version is None else INTERFACES.get((class_id, version))
    obis = instance if isinstance(instance, Obis) else Obis(instance)
    return AttributeRef(class_id, obis, index, of.attributes.get(index) if of else None)


def method_ref(class_id: int, instance: str | bytes | Obis, index: int, version: int | None = None) -> MethodRef[Any]:
    """A reference by numbers; the declaration is found when there is one."""
    of = latest(class_id) if version is None else INTERFACES.get((class_id, version))
    obis = instance if isinstance(instance, Obis) else Obis(instance)
    return MethodRef(class_id, obis, index, of.methods.get(index) if of else None)


def typed(ref: AttributeRef[Any] | MethodRef[Any], value: Any) -> Any:
    """`value` in the declared type of an attribute, or of a method's parameter.

    Raises LocalProtocolError when it does not fit; a value whose class is not declared must carry its own type.
    """
    if isinstance(ref, AttributeRef):
        wanted = CHOICE if ref.attribute is None else ref.attribute.type
    else:
        wanted = CHOICE if ref.method is None else ref.method.parameter
    try:
        return wanted.coerce(value)
    except LocalProtocolError as fault:
        raise LocalProtocolError(f"{ref}: {fault}") from fault
