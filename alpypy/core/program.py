"""What you type to run alpypy."""

from __future__ import annotations

import sys
from pathlib import Path

from alpypy.core.folders import CHECKOUT


def program_name() -> str:
    """``invoke`` in a checkout, unless it was started as ``alpypy``; else ``alpypy``."""
    started = Path(sys.argv[0])
    as_alpypy = started.stem == "alpypy" or started.parts[-2:] == ("alpypy", "__main__.py")
    return "invoke" if CHECKOUT and not as_alpypy else "alpypy"


def typed(command: str, **options: str | bool) -> str:
    """How to run a command, for messages that name one: ``invoke kit --alpine 3.23``. The value
    True is that of an option without a value."""
    words = [program_name(), command]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    return " ".join(words)
