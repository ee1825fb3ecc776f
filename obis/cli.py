"""The `obis` command: describes a code, or looks for the codes that some words describe."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from obis.code import GROUPS, Obis
from obis.command import NOTHING, run
from obis.describe import Description, describe
from obis.errors import ObisError
from obis.search import LIMIT, find

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def obis(
    words: Annotated[list[str], typer.Argument(help="A code in any form, several codes, or words to look for.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON value: an object for a code, else a list.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many results of a search.")] = LIMIT,
) -> None:
    """Tell what an OBIS code means (obis 1-0:1.8.0), or find codes by words (obis reactive power l2)."""
    codes, fault = _codes(words)
    found = [describe(code) for code in codes] if codes else find(words, limit)
    if not found:
        reason = f"; {fault}" if fault is not None else ""
        typer.echo(f"obis: nothing found for {' '.join(words)[:80]!r}{reason}", err=True)
        raise typer.Exit(NOTHING)
    if as_json:
        values = [as_object(description) for description in found]
        typer.echo(json.dumps(values[0] if len(codes) == 1 else values, ensure_ascii=False, indent=2))
    elif codes:
        typer.echo("\n\n".join(map(_page, found)))
    else:
        typer.echo("\n".join(f"{description.code!s:22} {description.text}" for description in found))


def _codes(words: list[str]) -> tuple[list[Obis], ObisError | None]:
    """All words as one code, or each as one; none of them, and what is wrong, when they are no codes."""
    try:
        return [Obis(" ".join(words))], None
    except ObisError as fault:
        try:
            return [Obis(word) for word in words], None
        except ObisError:
            return [], fault if any(character.isdigit() for character in words[0][:1]) else None


def as_object(description: Description) -> dict[str, object]:
    """A description as a JSON object: groups A to F with value and meaning, the rest as in Description."""
    code = description.code
    meanings = zip(GROUPS, code, description.groups, strict=True)
    return {
        "code": str(code),
        "reduced": code.reduced,
        "text": description.text,
        "medium": description.medium,
        "scope": description.scope.value,
        "groups": {group: {"value": value, "meaning": meaning} for group, value, meaning in meanings},
        "class_ids": list(description.class_ids),
        "unit": description.unit,
        "remarks": list(description.remarks),
    }


def _page(description: Description) -> str:
    """What is told of one code: the text, each group, and what else is known."""
    code = description.code
    lines = [f"{code}   {code.reduced}", description.text]
    meanings = zip(GROUPS, code, description.groups, strict=True)
    lines += [f"  {group} {value:3}  {what}" for group, value, what in meanings]
    if description.unit:
        lines.append(f"  unit   {description.unit}")
    if description.class_ids:
        lines.append(f"  class  {', '.join(map(str, description.class_ids))}")
    lines += [f"  {remark}" for remark in description.remarks]
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    run(app, "obis")


if __name__ == "__main__":
    main()
