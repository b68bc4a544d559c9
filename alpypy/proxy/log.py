"""What a proxy gave out, and how much of it out of its cache: squid's log, added up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Out of the cache: as it was; after upstream said that it is still right; or as upstream is out of
# reach.
_CACHED = re.compile(r"HIT|REFRESH_UNMODIFIED|REFRESH_FAIL_OLD")
_MEGA = 1e6


@dataclass(frozen=True)
class Traffic:
    """Answers and their bytes, with their headers. ``passed`` are bytes of connections that were
    not opened, ``failed`` is how often upstream gave no answer."""

    answers: int = 0
    served: int = 0
    cached: int = 0
    passed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        share = f" ({100 * self.cached // self.served} %)" if self.served else ""
        text = f"served {_size(self.served)} in {self.answers} answers,"
        text += f" {_size(self.cached)}{share} of it from the cache"
        if self.passed:
            text += f"; {_size(self.passed)} of https passed through"
        if self.failed:
            text += f"; {self.failed} could not be fetched"
        return text


def _size(number: int) -> str:
    return f"{number / _MEGA:.1f} MB"


def traffic(lines: Iterable[str]) -> Traffic:
    """Add up lines of templates/squid.conf's log format; one that was cut off is left out, and so
    is what squid says itself to those that it refuses."""
    answers = served = cached = passed = failed = 0
    for line in lines:
        words = line.split()
        if len(words) != 5 or words[3] == "-" or not (words[1].isdigit() and words[2].isdigit()):
            continue
        how, status, size, method = words[0], int(words[1]), int(words[2]), words[3]
        if status >= 500:
            failed += 1
        elif method == "CONNECT":
            passed += size if status == 200 else 0
        elif "DENIED" not in how:
            answers += 1
            served += size
            cached += size if _CACHED.search(how) else 0
    return Traffic(answers, served, cached, passed, failed)
