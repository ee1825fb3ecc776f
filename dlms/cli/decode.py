"""`dlms decode`: anything captured, from the command line, a file or a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from dlms.limits import MAX_TRANSFER

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlms.decode import Decoded, Keys

KINDS_HELP = "hdlc, wrapper, mbus, llc, apdu, data or iec62056-21"
MAX_LINE = 3 * MAX_TRANSFER
"""Characters of one line: two hex digits and a space for each octet."""

_SEPARATORS = str.maketrans("", "", " \t\r\n\v\f:-")


def decode(
    messages: Annotated[
        list[str], typer.Argument(metavar="HEX...|FILE|-", help="Octets in hex, a file, or - for hex lines on stdin.")
    ],
    keys: Annotated[Path | None, typer.Option("--keys", help="JSON file of keys, see dlms.decode.Keys.parse.")] = None,
    kind: Annotated[str | None, typer.Option("--as", metavar="KIND", help=f"Read as {KINDS_HELP}.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Decipher also what no tag proves.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a message.")] = False,
    as_xml: Annotated[bool, typer.Option("--xml", help="The APDUs as XML, one document each.")] = False,
    inner: Annotated[
        bool, typer.Option("--innermost", help="With --xml: what was deciphered or joined, not what is around it.")
    ] = False,
) -> None:
    """Tell what captured octets are: frames, ciphered and plain APDUs, values.

    Several HEX are one message. A FILE holds octets, or hex text with one message a line. With - every line of stdin
    is a message in hex and every line of stdout its JSON object.
    """
    from dlms.decode import KINDS
    from dlms.decode import decode as understand

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="--as")
    if as_xml and (as_json or messages == ["-"]):
        raise typer.BadParameter("neither with --json nor with -, which gives JSON", param_hint="--xml")
    if inner and not as_xml:
        raise typer.BadParameter("only with --xml", param_hint="--innermost")
    reading = partial(understand, keys=_keys(keys), kind=kind, verify=not unverified)
    if messages == ["-"]:
        outcomes = [_stream(sys.stdin.buffer, reading)]
    else:
        given = _messages(messages)
        outcomes = [_show_xml(reading(one), one, inner) if as_xml else _show(reading(one), as_json) for one in given]
    if not all(outcomes):
        raise typer.Exit(1)


def _keys(path: Path | None) -> Keys | None:
    from dlms.decode import Keys
    from dlms.errors import DlmsError

    if path is None:
        return None
    try:
        return Keys.load(path)
    except (DlmsError, OSError) as fault:
        raise typer.BadParameter(str(fault), param_hint="--keys") from None


def _messages(given: list[str]) -> Iterator[bytes]:
    """The messages that the arguments are, or that the file they name holds."""
    octets = _octets(" ".join(given))
    if octets is not None:
        yield octets
    elif len(given) == 1 and Path(given[0]).is_file():
        yield from _in_file(Path(given[0]).read_bytes())
    else:
        raise typer.BadParameter(f"{' '.join(given)[:60]!r} is neither hex nor a file")


def _in_file(content: bytes) -> Iterator[bytes]:
    """Hex text, one message a line, blank lines and those with # left out; anything else is one message as it is."""
    lines = [line.strip() for line in content.decode("latin-1").splitlines()]
    found = [_octets(line) for line in lines if line and not line.startswith("#")]
    messages = [octets for octets in found if octets is not None]
    if messages and len(messages) == len(found):
        yield from messages
    else:
        yield content


def _octets(text: str) -> bytes | None:
    """Octets written in hex, with or without spaces, colons and hyphens; None when it is something else or nothing."""
    digits = text.translate(_SEPARATORS)
    if not digits or not digits.isascii() or len(digits) % 2:
        return None
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None


def _show(decoded: Decoded, as_json: bool) -> bool:
    from dlms.decode.text import tree

    if as_json:
        print(json.dumps(decoded.to_json()))
    else:
        # a meter may send any text, and the terminal may know none of it
        charset = sys.stdout.encoding or "utf-8"
        print("\n".join(tree(decoded)).encode(charset, "backslashreplace").decode(charset))
    return decoded.ok


def _show_xml(decoded: Decoded, message: bytes, inner: bool) -> bool:
    from dlms.decode.records import Captured, innermost, outermost
    from dlms.decode.text import lacking
    from dlms.decode.xml import to_xml

    if inner:
        found = [Captured(apdu, []) for apdu in innermost(decoded, message)]
    else:
        found = outermost(decoded, message)
    for apdu, inside in found:
        print(to_xml(apdu, inside), end="")
    for line in lacking(decoded):
        typer.echo(f"dlms: warning: {line}", err=True)
    if not (decoded.ok and found):
        typer.echo(f"dlms: {decoded.error or 'no APDU in the message'}", err=True)
    return decoded.ok and bool(found)


def _stream(lines: BinaryIO, reading: Callable[[bytes], Decoded]) -> bool:
    """One JSON object for every line, at once; whether all were understood."""
    every = True
    while line := lines.readline(MAX_LINE):
        octets = _octets(line.decode("latin-1"))
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := lines.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            answer = {"ok": False, "error": f"a line of more than {MAX_LINE} characters", "layers": []}
        elif octets is None:
            answer = {"ok": False, "error": f"not hex: {line[:40].decode('ascii', 'replace').strip()!r}", "layers": []}
        else:
            answer = reading(octets).to_json()
        every = every and bool(answer["ok"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return every
