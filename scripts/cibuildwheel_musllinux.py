# /// script
# requires-python = ">=3.11"
# dependencies = ["cibuildwheel>=4,<5"]
# ///
"""cibuildwheel that knows PyPy on musl: `pp311-musllinux_x86_64` and the like.

cibuildwheel's own table has PyPy for manylinux alone. This adds each of these entries once more,
for musllinux, and then is cibuildwheel: options, variables and configuration are the same. Take
this file along, and name an image that has the PyPy (docs/cibuildwheel.md):

    uv run cibuildwheel_musllinux.py --only pp311-musllinux_x86_64

The table is not part of cibuildwheel's interface, so another major version needs another look.
"""

from __future__ import annotations

from collections.abc import Iterator

from cibuildwheel.__main__ import main
from cibuildwheel.util.resources import read_all_configs


def musllinux(entries: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """The entries of PyPy for manylinux as entries for musllinux, which are not in the table."""
    known = {entry["identifier"] for entry in entries}
    for entry in entries:
        python, _, platform = entry["identifier"].partition("-")
        system, _, arch = platform.partition("_")
        identifier = f"{python}-musllinux_{arch}"
        if python.startswith("pp") and system == "manylinux" and identifier not in known:
            yield {**entry, "identifier": identifier}


if __name__ == "__main__":
    table = read_all_configs()["linux"]  # always the same list, which cibuildwheel keeps
    table += list(musllinux(table))
    main()
