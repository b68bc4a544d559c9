"""Files in a folder that squid's user owns, who may put links to files of others there: none is
followed, as root may be who runs alpypy."""

from __future__ import annotations

import os
from pathlib import Path

Owner = tuple[int, int]  # user and group


def no_link(path: str, flags: int) -> int:
    """For ``open(opener=)``: a link is an error, not followed."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def write_new(path: Path, content: bytes, owner: Owner | None = None, mode: int = 0o600) -> None:
    """Write a file in the place of what has this name, a link for one.

    Args:
        owner: whom to give it to; None for who runs alpypy.
    """

    def private(name: str, flags: int) -> int:
        return os.open(name, flags, mode)

    path.unlink(missing_ok=True)
    with open(path, "xb", opener=private) as file:  # x: fails where there is a link again
        if owner:
            os.fchown(file.fileno(), *owner)
        file.write(content)


def hand_over(folder: Path, owner: Owner) -> None:
    """Give a folder and all in it to another user, itself last: what was interrupted begins anew.

    It is walked by descriptors: a folder that is exchanged for a link meanwhile leads nowhere.
    """
    for _, _, files, inside in os.fwalk(folder, topdown=False):
        for name in (*files, "."):
            os.chown(name, *owner, dir_fd=inside, follow_symlinks=False)
