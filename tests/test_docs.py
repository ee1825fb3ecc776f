"""What docs/ says is run: Python and commands against an emulated meter, what they print is compared, paths exist."""

from __future__ import annotations

import datetime
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

import meters
from dlms.cli.app import app as dlms_app
from dlms.cli.app import execute as execute_dlms
from meters.cli import app as meters_app
from meters.cli import execute as execute_meters
from obis.cli import app as obis_app
from obis.command import exit_code

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text() for path in sorted(DOCS.glob("*.md"))}
START = datetime.datetime(2026, 1, 15, 12, 5, tzinfo=datetime.UTC)
METER = re.compile(r"\b(?:hdlc://127\.0\.0\.1:4060|serial:///dev/ttyUSB0\b(?:\?baud=9600)?)")
"""The meters that the pages speak of: the emulated one takes their place."""
BREAK = "\x1e"
APPS = {"dlms": dlms_app, "meters": meters_app, "obis": obis_app}
RUN: dict[str, Callable[[list[str]], int]] = {
    "dlms": execute_dlms,
    "meters": execute_meters,
    "obis": lambda arguments: exit_code(obis_app, "obis", (), arguments),
}
NOT_RUN = (("meters", "emulate"), ("meters", "demo"))
"""One never ends; the other has its own tests."""
OTHERS = ("pip",)
TROUBLE = re.compile(r"^(?:dlms|meters|obis): (?!warning)|^hdlc: HDLC", re.M)
"""What a command prints that does not succeed."""
FILES = {"json": "keys.json", "hex": "capture.hex", "xml": "response.xml"}
"""Blocks of these languages are files that the commands of the page use."""


class Block(NamedTuple):
    """One fenced block, and the `text` block right after it: what it prints ("" where there is none)."""

    language: str
    text: str
    printed: str


FENCED = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.S | re.M)


def blocks(page: str, *languages: str) -> list[Block]:
    return [Block(*found) for found in FENCED.findall(PAGES[page]) if found[0] in languages]


def pages_with(language: str) -> list[str]:
    return [page for page in PAGES if blocks(page, language)]


def agrees(printed: str, promised: str) -> bool:
    """Whether the text is the one of the page, where `...` stands for anything."""
    return re.fullmatch(re.escape(promised.strip()).replace(r"\.\.\.", ".*"), printed.strip(), re.S) is not None


@pytest.fixture
def meter(page: str) -> Iterator[str]:
    """Where the meter of a page is; pages that speak of none have none."""
    if not METER.search(PAGES[page]):
        yield ""
        return
    with meters.run("kamstrup-382", serial=12345678, start=START) as running:
        yield running.url


def python(folder: Path, *arguments: str) -> str:
    own = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment = os.environ | own
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", pages_with("python"))
def test_python(page: str, meter: str, tmp_path: Path) -> None:
    found = blocks(page, "python")
    code = f"\nprint({BREAK!r})\n".join(one.text for one in found)
    printed = python(tmp_path, "-c", METER.sub(meter, code)).split(BREAK)
    for one, text in zip(found, printed, strict=True):
        assert agrees(text, one.printed), f"{one.text}\nprints\n{text}"


def test_tests_of_the_pages(tmp_path: Path) -> None:
    found = [one.text for page in PAGES for one in blocks(page, "python") if "def test_" in one.text]
    assert found
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["meters.pytest_fixture"]\n')
    (tmp_path / "test_page.py").write_text("import meters\n\n" + "\n".join(found))
    assert f"{len(found)} passed" in python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_page.py")


def commands(block: Block) -> list[list[str]]:
    return [shlex.split(line) for line in block.text.splitlines()]


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands_exist(page: str) -> None:
    for name, *arguments in (words for block in blocks(page, "sh") for words in commands(block)):
        if name not in OTHERS:
            parse(APPS[name], name, arguments)


def parse(app: typer.Typer, name: str, arguments: list[str]) -> None:
    """As typer would, without running it; wrong commands and options raise."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, arguments, resilient_parsing=True)
        name, command, arguments = command.resolve_command(context, arguments)
    command.make_context(name, list(arguments))


@pytest.mark.parametrize("page", pages_with("sh"))
def test_commands(
    page: str,
    meter: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.delenv("DLMS_PASSWORD", raising=False)
    (tmp_path / "meter.pw").write_text("12345\n")
    for one in blocks(page, *FILES):
        (tmp_path / FILES[one.language]).write_text(one.text)
    for block in blocks(page, "sh"):
        codes = [RUN[words[0]](told(words, meter)) for words in commands(block) if runs(words)]
        out, err = capsys.readouterr()
        assert not block.printed or agrees(out + err, block.printed), f"{block.text}\nprints\n{out}{err}"
        assert any(codes) == bool(TROUBLE.search(block.printed)), f"{block.text}\nends with {codes}: {out}{err}"


def runs(words: list[str]) -> bool:
    return words[0] not in OTHERS and tuple(words[:2]) not in NOT_RUN


def told(words: list[str], meter: str) -> list[str]:
    return [METER.sub(meter, word) for word in words[1:]]


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    for path in re.findall(r"`((?:obis|hdlc|dlms|meters|tests|examples)/[\w./]*)`", PAGES[page]):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_names_exist(page: str) -> None:
    """Dotted names in the prose can be imported."""
    for name in re.findall(r"`((?:obis|hdlc|dlms|meters)(?:\.\w+)+)[`(]", PAGES[page]):
        assert python_name(name), name


def python_name(name: str) -> bool:
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return all((found := getattr(found, part, None)) is not None for part in parts[cut:])
    return False


def test_every_page_is_in_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text()
    for path in DOCS.rglob("*.md"):
        assert str(path.relative_to(DOCS)) in nav


def test_reference_names_modules() -> None:
    pages = (DOCS / "reference").glob("*.md")
    found = [name for path in pages for name in re.findall(r"^::: (\S+)", path.read_text(), re.M)]
    assert found
    assert all(map(python_name, found))
