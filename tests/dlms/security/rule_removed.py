"""Removes the check of each rule, one at a time, and runs the test that must fail then.

Run as a program with the names of the groups: prints a JSON list of the rules whose test did not fail.  Each rule has a
process of its own, forked from one that has loaded what takes time.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import cryptography.x509
import hypothesis
import hypothesis.strategies
import pytest

import dlms
from tests.dlms.security.rules import RULES, Rule

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "dlms"
LOADED = (cryptography.x509, hypothesis.strategies)
TESTS_FAILED = 1
OPTIONS = ("-x", "-q", "-n0", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings=")
OPTIONS += ("--hypothesis-profile", "once", "--assert=plain", "--tb=no", "-p", "no:unraisableexception")


def source(rule: Rule) -> str:
    return (PACKAGE / rule.file).read_text()


class Weakened(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module of the package without the check of a rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.name = rule, f"dlms.{rule.file.removesuffix('.py').replace('/', '.')}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        text = source(self.rule).replace(self.rule.check, self.rule.without)
        exec(compile(text, self.name, "exec"), module.__dict__)


def forget_security() -> None:
    """What the rest of the package has loaded of itself is loaded anew, weakened, by the tests."""
    for name in [name for name in sys.modules if name.startswith("dlms.")]:
        del sys.modules[name]
        vars(dlms).pop(name.split(".")[1], None)


def place(rule: Rule) -> tuple[Path, str]:
    """The file of its test, and the name of that."""
    file, _, name = rule.test.partition("::")
    folder, _, file = file.rpartition("/")
    return HERE.parent / (folder or HERE.name) / f"test_{file}.py", f"test_{name}"


def node(rule: Rule) -> str:
    file, name = place(rule)
    return f"{file}::{name}"


def holds(rule: Rule) -> bool:
    """Whether the test fails without the check; in a process of its own."""
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        sys.meta_path.insert(0, Weakened(rule))
        code = 0
        try:
            code = int(pytest.main([*OPTIONS, node(rule)]))
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == TESTS_FAILED


if __name__ == "__main__":
    forget_security()
    # a failing example need not be made small
    hypothesis.settings.register_profile("once", phases=[hypothesis.Phase.generate], max_examples=50, deadline=None)
    print(json.dumps([rule.text for name in sys.argv[1:] for rule in RULES[name] if not holds(rule)]))
