"""Points where a process is killed: the calls that touch files, and others that a test names."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

CALLS = ("open", "write", "fsync", "replace", "unlink", "rename")


def armed(at: int, others: Iterable[tuple[object, str]] = ()) -> list[int]:
    """The call number `at` kills this process before it is made; a write to a file is made by half.

    Gives how many calls are left until then.  `others` are functions besides those of files, by owner and name.
    """
    left = [at]

    def killing(owner: object, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                if owner is os and name == "write":
                    call(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return instead

    for owner, name in (*((os, name) for name in CALLS), *others):
        setattr(owner, name, killing(owner, name, getattr(owner, name)))
    return left
