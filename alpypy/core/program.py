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


def typed(command: str, **options: str) -> str:
    """How to run a command, for messages that name one: ``invoke kit --alpine 3.23``."""
    words = (f"--{name.replace('_', '-')} {value}" for name, value in options.items())
    return " ".join((program_name(), command, *words))
