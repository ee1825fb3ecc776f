"""Keys of many devices in one JSON file that only its owner can read.

    {"format": "dlms-meters keys", "version": 1, "devices": {"meter 12": {
        "suite": 0, "system_title": "4b414d0000bc614e", "encryption": "00..0f", "authentication": "d0..df"}}}

Keys are hex; `signing_key` and `agreement_key` are private numbers in the width of the suite's curve, `secret` is
that of the authentication mechanism.  A field that is not known is refused: a misspelt key would be a missing one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlms.errors import SecurityError
from dlms.security.keys import KEY_NAMES, KeyMaterialError, KeySet, Secret
from dlms.security.protection import check_titles
from dlms.security.providers import MemoryKeyProvider
from dlms.security.store import read_private, replace_private, write_private
from dlms.security.suite import SUITE_0, SecuritySuite, suite

FORMAT, VERSION = "dlms-meters keys", 1

_OTHER_SECRETS = ("signing_key", "agreement_key", "secret")
_FIELDS = frozenset({"suite", "system_title", *KEY_NAMES, *_OTHER_SECRETS})


class KeyFileError(KeyMaterialError):
    """A key file that cannot be understood.  The message names device and field, never a value."""


@dataclasses.dataclass(frozen=True, slots=True)
class DeviceKeys:
    """What the key file says of one device."""

    keys: KeySet
    suite: SecuritySuite = SUITE_0
    system_title: bytes | None = None
    signing_key: Secret | None = None
    agreement_key: Secret | None = None
    secret: Secret | None = None
    """Of the authentication mechanism."""

    def provider(self) -> MemoryKeyProvider:
        """A provider with these keys."""
        return MemoryKeyProvider(self.keys, self.suite, signing_key=self.signing_key, agreement_key=self.agreement_key)


class KeyFile:
    """Devices by name.  `load` and `save` go to a file of mode 0600; `parse` and `text` are for other places."""

    def __init__(self, devices: Mapping[str, DeviceKeys] | None = None) -> None:
        self.devices: dict[str, DeviceKeys] = dict(devices or {})

    @classmethod
    def load(cls, path: Path) -> KeyFile:
        """The devices of a file.  Raises PrivateFileError when others can read it, KeyFileError for its content."""
        return cls.parse(read_private(path))

    @classmethod
    def parse(cls, content: bytes | str) -> KeyFile:
        """The devices of a JSON text.  Raises KeyFileError."""
        try:
            document = json.loads(content, object_pairs_hook=_unique)
        except (ValueError, RecursionError):
            document = None  # the fault itself carries the text, so that it must not even be the context of ours
        if not isinstance(document, dict) or document.get("format") != FORMAT or document.get("version") != VERSION:
            raise KeyFileError(f"the key file is not JSON, each name once, that says {FORMAT!r}, version {VERSION}")
        devices = document.get("devices")
        if not isinstance(devices, dict):
            raise KeyFileError("the key file has no devices")
        return cls({name: _device(name, fields) for name, fields in devices.items()})

    def __getitem__(self, name: str) -> DeviceKeys:
        """One device.  Raises KeyMaterialError for a name that is not in the file."""
        try:
            return self.devices[name]
        except KeyError:
            raise KeyMaterialError(f"the key file has no device {name!r}") from None

    def __repr__(self) -> str:
        return f"<KeyFile of {len(self.devices)} devices>"

    def by_title(self, system_title: bytes) -> DeviceKeys | None:
        """The device with this system title, None when there is none."""
        return next((device for device in self.devices.values() if device.system_title == system_title), None)

    def text(self) -> str:
        """The JSON text, keys in clear: for a file that only its owner can read."""
        devices = {name: _fields(device) for name, device in self.devices.items()}
        return json.dumps({"format": FORMAT, "version": VERSION, "devices": devices}, indent=2) + "\n"

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Writes a file of mode 0600.  Raises PrivateFileError, also where a file stands and `replace` is not said."""
        (replace_private if replace else write_private)(path, self.text().encode())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _device(name: str, fields: Any) -> DeviceKeys:
    if not isinstance(fields, dict):
        raise KeyFileError(f"device {name!r} is not an object of fields")
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        raise KeyFileError(f"device {name!r}: unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    number = fields.get("suite", 0)
    secrets = {field: _secret(name, field, fields[field]) for field in fields.keys() - {"suite", "system_title"}}
    keys = KeySet(**{key: value for key, value in secrets.items() if key in KEY_NAMES})
    others = {field: value for field, value in secrets.items() if field not in KEY_NAMES}
    try:
        found = DeviceKeys(keys, suite(number if type(number) is int else -1), _title(fields), **others)
        for key in KEY_NAMES:
            if getattr(keys, key) is not None:
                keys.get(key, found.suite)
    except (SecurityError, ValueError) as refusal:
        raise KeyFileError(f"device {name!r}: {refusal}") from None
    return found


def _secret(name: str, field: str, value: Any) -> Secret:
    try:
        return Secret.from_hex(value)
    except KeyMaterialError:
        raise KeyFileError(f"device {name!r}: {field} is not hex") from None


def _title(fields: Mapping[str, Any]) -> bytes | None:
    if "system_title" not in fields:
        return None
    try:
        title = bytes.fromhex(fields["system_title"])
    except (TypeError, ValueError):
        raise ValueError("system_title is not hex") from None
    check_titles(title)
    return title


def _fields(device: DeviceKeys) -> dict[str, int | str]:
    found: dict[str, int | str] = {"suite": device.suite.id}
    if device.system_title is not None:
        found["system_title"] = device.system_title.hex()
    for holder, names in ((device.keys, KEY_NAMES), (device, _OTHER_SECRETS)):
        for name in names:
            value: Secret | None = getattr(holder, name)
            if value is not None:
                found[name] = value.reveal().hex()
    return found
