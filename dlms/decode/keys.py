"""The keys that captured messages are deciphered with, and the system titles that go with them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlms.errors import SecurityError

if TYPE_CHECKING:
    from dlms.security.keys import KeySet

MAX_KEY_FILE = 1 << 24
"""Octets of a key file that are read."""

KEY_LENGTHS = (16, 32)


@dataclasses.dataclass(frozen=True, slots=True)
class Keys:
    """`default` is used where `by_title` has no keys for the sender; `titles` are tried where a message names none."""

    default: KeySet | None = None
    titles: tuple[bytes, ...] = ()
    by_title: Mapping[bytes, KeySet] = dataclasses.field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any keys."""
        return self.default is not None or bool(self.by_title)

    def of(self, title: bytes) -> KeySet | None:
        """The keys of one sender."""
        return self.by_title.get(title, self.default)

    def candidates(self) -> tuple[bytes, ...]:
        """Every system title known, the given ones first."""
        return (*self.titles, *(title for title in self.by_title if title not in self.titles))

    @classmethod
    def parse(cls, content: bytes | str) -> Keys:
        """From JSON: `{"encryption": hex, "authentication": hex, "dedicated": hex, "system_title": hex}`, all optional.

        "broadcast" and "master" are known too; "system_title" may be a list, where both ends of an association send.
        The library's own key file is taken as well: each of its devices for the messages that bear its title, and for
        those that bear our title towards it, when we have that title towards no other device.
        Raises KeyMaterialError, which never shows a value.
        """
        from dlms.security.keyfile import FORMAT
        from dlms.security.keys import KeyMaterialError

        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise KeyMaterialError("the key file is not a JSON object")
        return cls._of_devices(content) if document.get("format") == FORMAT else cls._of_fields(document)

    @classmethod
    def load(cls, path: Path) -> Keys:
        """From a file; see `parse`.  Raises OSError and KeyMaterialError."""
        with path.open("rb") as file:
            return cls.parse(file.read(MAX_KEY_FILE))

    @classmethod
    def _of_devices(cls, content: bytes | str) -> Keys:
        from dlms.security.keyfile import KeyFile
        from dlms.security.keys import KeySet

        file = KeyFile.parse(content)
        keyed = {name: device for name, device in file.devices.items() if device.keys != KeySet()}
        titled = {device.system_title: device.keys for device in keyed.values() if device.system_title is not None}
        untitled = [device.keys for device in keyed.values() if device.system_title is None]
        for name, device in keyed.items():
            # what we send to a device bears our title; with several devices nothing tells to which it went
            ours = file.identity(name).system_title
            alone = sum(one.identity == device.identity for one in keyed.values()) == 1
            if device.identity is not None and ours is not None and alone:
                titled.setdefault(ours, device.keys)
        return cls(untitled[0] if len(untitled) == 1 else None, (), titled)

    @classmethod
    def _of_fields(cls, document: dict[str, Any]) -> Keys:
        from dlms.security.keys import KEY_NAMES, KeyMaterialError, KeySet, Secret

        unknown = sorted(document.keys() - {*KEY_NAMES, "system_title"})
        if unknown:
            raise KeyMaterialError(f"the key file has an unknown field {unknown[0][:40]!r}")
        secrets = {name: Secret.from_hex(document[name]) for name in KEY_NAMES if document.get(name) is not None}
        for name, secret in secrets.items():
            if len(secret) not in KEY_LENGTHS:
                raise KeyMaterialError(f"the key file: {name} has {len(secret)} octets, 16 or 32 wanted")
        return cls(KeySet(**secrets), _titles(document.get("system_title")))


def _titles(given: Any) -> tuple[bytes, ...]:
    from dlms.security.keys import KeyMaterialError
    from dlms.security.protection import check_titles

    texts = [] if given is None else given if isinstance(given, list) else [given]
    try:
        titles = tuple(bytes.fromhex(text) for text in texts)
        check_titles(*titles)
    except (TypeError, ValueError):
        raise KeyMaterialError("the key file: system_title is not hex") from None
    except SecurityError as fault:
        raise KeyMaterialError(f"the key file: {fault}") from None
    return titles
