"""The house rules that a machine can check: sizes, docstrings, names, light imports of the commands."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("obis", "hdlc", "dlms", "meters")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES, MEDIAN_FUNCTION_LINES = 600, 80, 8
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert text.count("\n") <= MAX_FILE_LINES
    assert ast.get_docstring(tree), "a module opens with one sentence"
    for node in functions(tree):
        assert length(node) <= MAX_FUNCTION_LINES, node.name
    for node in public(tree):
        assert ast.get_docstring(node), f"{node.name} has no docstring"


def public(tree: ast.Module) -> Iterator[ast.ClassDef | Function]:
    """Public classes and functions, and the public methods of public classes but those that a Protocol or base names."""
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef) and not node.bases:
            yield from (m for m in node.body if isinstance(m, Function) and not m.name.startswith("_") and not stub(m))


def stub(node: Function) -> bool:
    """A method of a Protocol or an overload: its body is an ellipsis."""
    last = node.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def test_functions_are_short() -> None:
    lengths = [length(node) for path in FILES for node in functions(ast.parse(path.read_text()))]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION_LINES


def test_no_rooms_without_a_subject() -> None:
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert not names & {"utils", "helpers", "common", "base", "manager", "managers"}
