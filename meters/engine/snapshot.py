"""The state of an engine as bytes that nobody can hide a program in: arrays as .npz, everything else as JSON.

A state belongs to the meters that it was taken of: it goes back only into an engine of the same configuration, source,
beginning and numbers, which `identity` tells by its digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import io
import json
import re
import types
import zipfile
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.engine import Engine
from meters.engine.errors import EngineError

_OURS = re.compile(r"meters\.engine\.\w+:\w+")
_GIVEN = ("config", "source")
"""What an engine is made with, and its state refers to."""
_MARK = b"meters.engine 1\n"
_MEMBER = "a{}"
_TREE = "tree"


def digest(value: object) -> str:
    """A digest of plain values: of configurations and sources, by their classes, fields and arrays.

    EngineError for something in it that has no fields, as a function or a lock, since it cannot be told from another.
    """
    tree = _Writer({}, foreign=True)
    content = json.dumps(tree.node(value))
    sha = hashlib.sha256(json.dumps([content, tree.classes]).encode())
    for array in tree.arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def identity(new: Engine) -> str:
    """The digest of an engine that has not lived yet: of all that its future follows from."""
    return digest(new)


def save(engine: Engine, of: str) -> bytes:
    """The state of an engine whose `identity` was `of` when it was new."""
    tree = _Writer(_given(engine), foreign=False)
    root = tree.node(engine)
    text = json.dumps({"of": of, "classes": tree.classes, "root": root})
    out = io.BytesIO()
    arrays = {_MEMBER.format(number): array for number, array in enumerate(tree.arrays)}
    np.savez(out, allow_pickle=False, **arrays, **{_TREE: np.frombuffer(text.encode(), np.uint8)})
    return seal(out.getvalue())


def seal(content: bytes) -> bytes:
    """Content behind a mark and a checksum: whether it is whole is known before anything of it is looked at."""
    return _MARK + hashlib.sha256(content).digest() + content


def restore(new: Engine, of: str, content: bytes) -> Engine:
    """The engine whose state was saved, with the configuration and the source of `new`, whose `identity` is `of`.

    EngineError for bytes that are no state, and for the state of other meters.
    """
    body = content[len(_MARK) + hashlib.sha256().digest_size :]
    if seal(body) != content:
        raise EngineError("this is no state of an engine, or a damaged one")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            head = json.loads(file[_TREE].tobytes())
            if head["of"] != of:
                raise EngineError(
                    "this is the state of other meters: of another configuration, source, begin or number"
                )
            tree = _Reader(head["classes"], file, {name: value for value, name in _given(new).values()})
            engine = tree.value(head["root"])
    except EngineError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, ImportError, RecursionError) as bad:
        raise EngineError(f"this is no state of an engine: {type(bad).__name__}: {bad}") from bad
    except zipfile.BadZipFile as bad:
        raise EngineError(f"this is no state of an engine: {bad}") from bad
    if not isinstance(engine, Engine):
        raise EngineError("this is no state of an engine")
    return engine


def _given(engine: Engine) -> dict[int, tuple[object, str]]:
    state = engine.tiles[0]
    return {id(getattr(state, name)): (getattr(state, name), name) for name in _GIVEN}


def _fields(value: object) -> dict[str, Any]:
    """What an object consists of."""
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(value, name) for name in slots if hasattr(value, name)} | getattr(value, "__dict__", {})


class _Writer:
    """Values -> JSON.  An object or array that is met again is a reference, as things that share it must go on to."""

    def __init__(self, given: Mapping[int, tuple[object, str]], *, foreign: bool) -> None:
        self.given, self.foreign = given, foreign
        self.arrays: list[NDArray[Any]] = []
        self.classes: list[tuple[str, list[str]]] = []
        self._class_numbers: dict[tuple[type, tuple[str, ...]], int] = {}
        self._met: dict[int, tuple[object, int]] = {}
        """Identity -> the object, which must not vanish meanwhile, and its number."""

    def node(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, float, str):
            return value
        if id(value) in self.given:
            return ["given", self.given[id(value)][1]]
        if id(value) in self._met:
            return ["met", self._met[id(value)][1]]
        if isinstance(value, Enum):
            return ["enum", self._name(type(value)), self.node(value.value)]
        if isinstance(value, np.generic):
            return ["scalar", self._array(np.asarray(value))]
        number = len(self._met)
        self._met[id(value)] = (value, number)
        return [*self._content(value), number]

    def _content(self, value: Any) -> list[Any]:
        """Kind and content of what may be met again."""
        match value:
            case np.ndarray():
                if value.dtype.hasobject:
                    raise EngineError(f"an array of {value.dtype} is not plain")
                return ["array", self._array(value)]
            case range():
                return ["range", [value.start, value.stop, value.step]]
            case deque():
                return ["deque", [value.maxlen, *map(self.node, value)]]
            case list():
                return ["list", [self.node(one) for one in value]]
            case tuple():
                return ["tuple", [self.node(one) for one in value]]
            case set() | frozenset():
                return [type(value).__name__, sorted((self.node(one) for one in value), key=json.dumps)]
            case dict() | types.MappingProxyType():
                return ["dict", [[self.node(key), self.node(one)] for key, one in value.items()]]
        fields = _fields(value)
        if callable(value) or not (fields or dataclasses.is_dataclass(value)):
            raise EngineError(f"a {type(value).__qualname__} cannot be told from another: it is no plain value")
        key = (type(value), tuple(fields))
        if key not in self._class_numbers:
            self._class_numbers[key] = len(self.classes)
            self.classes.append((self._name(type(value)), list(fields)))
        return ["object", [self._class_numbers[key], *map(self.node, fields.values())]]

    def _array(self, array: NDArray[Any]) -> int:
        self.arrays.append(array)
        return len(self.arrays) - 1

    def _name(self, kind: type) -> str:
        name = f"{kind.__module__}:{kind.__qualname__}"
        if not self.foreign and not _OURS.fullmatch(name):
            raise EngineError(f"{name} in the state of an engine is none of its own")
        return name


class _Reader:
    """JSON -> values.  Only classes of the engine are made, and none of their code is run."""

    def __init__(self, classes: list[Any], arrays: Any, given: Mapping[str, object]) -> None:
        self.arrays, self.given = arrays, given
        self.classes = [(_class(name), list(map(str, fields))) for name, fields in classes]
        self.met: dict[int, Any] = {}

    def value(self, node: Any) -> Any:
        if not isinstance(node, list):
            return node
        kind, content, *rest = node
        match kind:
            case "given":
                return self.given[content]
            case "met":
                return self.met[content]
            case "enum":
                return _class(content)(self.value(rest[0]))
            case "scalar":
                return self._array(content)[()]
        (number,) = rest
        return self._content(kind, content, number)

    def _content(self, kind: str, content: Any, number: int) -> Any:
        made: Any
        match kind:
            case "array":
                made = self._array(content)
            case "range":
                made = range(*content)
            case "deque":
                made = deque(map(self.value, content[1:]), content[0])
            case "list":
                made = list(map(self.value, content))
            case "tuple":
                made = tuple(map(self.value, content))
            case "set" | "frozenset":
                made = (set if kind == "set" else frozenset)(map(self.value, content))
            case "dict":
                made = {self.value(key): self.value(one) for key, one in content}
            case "object":
                return self._object(content, number)
            case _:
                raise ValueError(f"unknown kind {kind}")
        self.met[number] = made
        return made

    def _object(self, content: list[Any], number: int) -> Any:
        kind, names = self.classes[content[0]]
        made = self.met[number] = object.__new__(kind)
        for name, node in zip(names, content[1:], strict=True):
            object.__setattr__(made, name, self.value(node))
        return made

    def _array(self, number: int) -> NDArray[Any]:
        array: NDArray[Any] = self.arrays[_MEMBER.format(number)]
        return array


def _class(name: str) -> Any:
    """A class of the engine by its name."""
    if not _OURS.fullmatch(name):
        raise ValueError(f"{name} is no class of the engine")
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, type) or f"{found.__module__}:{found.__qualname__}" != name:
        raise ValueError(f"{name} is no class of the engine")
    return found
