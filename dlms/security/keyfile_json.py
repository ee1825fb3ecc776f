"""The entries of a key file as JSON: what each field must be, and how it is written."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from dlms.errors import SecurityError
from dlms.security.keys import KEY_NAMES, KeyMaterialError, KeySet, NextKey, Phase, Secret
from dlms.security.policy import ALL_BITS, Policy
from dlms.security.protection import check_titles
from dlms.security.suite import SecuritySuite, suite

if TYPE_CHECKING:
    from dlms.security.keyfile import DeviceKeys

ROTATED = ("encryption", "broadcast", "authentication", "master", "secret")
"""What a meter can be given anew; a dedicated key lives as long as its association."""

PURPOSES = ("signature", "key_agreement", "tls")

_PRIVATE = ("signing_key", "agreement_key", "tls_key")
_FIELDS = frozenset(
    {"suite", "system_title", "secret", "identity", "next", "requested", "certificates", "public_keys", "policy"}
    | {*KEY_NAMES, *_PRIVATE}
)
T = TypeVar("T")


class KeyFileError(KeyMaterialError):
    """A key file that cannot be understood.  The message names device and field, never a value."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name occurs twice.  Raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def device(name: str, given: Any) -> dict[str, Any]:
    """The fields of one entry as arguments of DeviceKeys.  Raises KeyFileError."""
    if not isinstance(given, dict):
        raise KeyFileError(f"device {name!r} is not an object of fields")
    unknown = sorted(given.keys() - _FIELDS)
    if unknown:
        raise KeyFileError(f"device {name!r}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    try:
        return _checked(given)
    except (SecurityError, ValueError) as refusal:
        raise KeyFileError(f"device {name!r}: {refusal}") from None


def trust(given: Any) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Anchors and authorities, DER.  Raises KeyFileError."""
    if not isinstance(given, dict) or given.keys() - {"anchors", "authorities"}:
        raise KeyFileError("the key file's trust is an object of anchors and authorities")
    lists = [given.get(name, []) for name in ("anchors", "authorities")]
    if not all(isinstance(one, list) for one in lists):
        raise KeyFileError("the key file's anchors and authorities are lists")
    try:
        anchors, authorities = (tuple(_octets("trust", one) for one in found) for found in lists)
    except ValueError as refusal:
        raise KeyFileError(f"the key file: {refusal}") from None
    return anchors, authorities


def fields(of: DeviceKeys) -> dict[str, Any]:
    """One entry as JSON, keys in clear."""
    found: dict[str, Any] = {"suite": of.suite.id}
    if of.system_title is not None:
        found["system_title"] = of.system_title.hex()
    if of.identity is not None:
        found["identity"] = of.identity
    if of.policy is not None:
        found["policy"] = int(of.policy)
    for holder, names in ((of.keys, KEY_NAMES), (of, (*_PRIVATE, "secret"))):
        secrets: dict[str, Secret | None] = {name: getattr(holder, name) for name in names}
        found |= {name: value.reveal().hex() for name, value in secrets.items() if value is not None}
    tables: dict[str, dict[str, Any]] = {
        "next": {name: {"key": one.key.reveal().hex(), "phase": str(one.phase)} for name, one in of.next.items()},
        "requested": {purpose: key.reveal().hex() for purpose, key in of.requested.items()},
        "certificates": {purpose: base64.b64encode(der).decode() for purpose, der in of.certificates.items()},
        "public_keys": {purpose: point.hex() for purpose, point in of.public_keys.items()},
    }
    return found | {name: table for name, table in tables.items() if table}


def trust_fields(anchors: tuple[bytes, ...], authorities: tuple[bytes, ...]) -> dict[str, list[str]]:
    """Anchors and authorities as JSON."""
    return {
        "anchors": [base64.b64encode(der).decode() for der in anchors],
        "authorities": [base64.b64encode(der).decode() for der in authorities],
    }


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Raises SecurityError or ValueError with the field, never its value."""
    number = given.get("suite", 0)
    of = suite(number if type(number) is int else -1)
    secrets = {name: _secret(name, given[name]) for name in (*KEY_NAMES, *_PRIVATE, "secret") if name in given}
    keys = KeySet(**{name: key for name, key in secrets.items() if name in KEY_NAMES})
    for name in KEY_NAMES:
        if getattr(keys, name) is not None:
            keys.get(name, of)
    identity = given.get("identity")
    if identity is not None and not isinstance(identity, str):
        raise ValueError("identity is not the name of an entry")
    return {
        "keys": keys,
        "suite": of,
        "system_title": _title(given),
        "identity": identity,
        "policy": _policy(given.get("policy")),
        **{name: key for name, key in secrets.items() if name not in KEY_NAMES},
        "next": _table(given, "next", ROTATED, lambda name, value: _next(name, value, of)),
        "requested": _table(given, "requested", PURPOSES, _secret),
        "certificates": _table(given, "certificates", PURPOSES, _octets),
        "public_keys": _table(given, "public_keys", PURPOSES, lambda name, value: _point(name, value, of)),
    }


def _policy(value: Any) -> Policy | None:
    if value is None:
        return None
    if type(value) is not int or value & ~ALL_BITS:
        raise ValueError("policy is no number made of the bits of a security policy")
    return Policy(value)


def _table(
    given: Mapping[str, Any], field: str, names: tuple[str, ...], parse: Callable[[str, Any], T]
) -> dict[str, T]:
    """A field that is an object with some of these names."""
    table = given.get(field, {})
    if not isinstance(table, dict) or table.keys() - set(names):
        raise ValueError(f"{field} is an object with the names {', '.join(names)}")
    return {name: parse(f"{field} {name}", value) for name, value in table.items()}


def _next(name: str, value: Any, of: SecuritySuite) -> NextKey:
    if not isinstance(value, dict) or value.keys() != {"key", "phase"} or value["phase"] not in list(Phase):
        raise ValueError(f"{name} is an object of key and phase, and a phase is {', '.join(Phase)}")
    found = NextKey(_secret(name, value["key"]), Phase(value["phase"]))
    if name == "next secret":
        if found.phase is Phase.AGREEING or not found.key:
            raise ValueError(f"{name} is empty, or agreed on, which it cannot be")
        return found
    wanted = of.coordinate_length if found.phase is Phase.AGREEING else of.key_length
    if len(found.key) != wanted or not wanted:
        raise ValueError(f"{name} has {len(found.key)} octets; security suite {of.id} wants {wanted}")
    return found


def _secret(name: str, value: Any) -> Secret:
    try:
        return Secret.from_hex(value)
    except KeyMaterialError:
        raise ValueError(f"{name} is not hex") from None


def _octets(name: str, value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise ValueError(f"{name} is not base64") from None


def _point(name: str, value: Any, of: SecuritySuite) -> bytes:
    try:
        point = bytes.fromhex(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is not hex") from None
    if len(point) != of.public_key_length or not point:
        raise ValueError(f"{name} has {len(point)} octets; security suite {of.id} wants {of.public_key_length}")
    return point


def _title(given: Mapping[str, Any]) -> bytes | None:
    if "system_title" not in given:
        return None
    try:
        title = bytes.fromhex(given["system_title"])
    except (TypeError, ValueError):
        raise ValueError("system_title is not hex") from None
    check_titles(title)
    return title
