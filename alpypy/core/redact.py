"""Texts and addresses as they may be shown: without user and password."""

from __future__ import annotations

import re
from urllib.parse import unquote

# An address up to its @. A password may hold a slash; a port before one is none.
_LOGIN = re.compile(r"(\w+://)?(?!\[)([^/]*:(?!\d*/).*|[^/:]*)@", re.DOTALL)


def without_passwords(text: str) -> str:
    """A message of another program, without the user and password of an address in it."""
    return re.sub(r"[^\s/'\"]*:[^\s/]*@|(?<=//)[^\s/]*@", "", text)


def without_login(url: str) -> str:
    """An address as it may be shown: without user and password."""
    return split_login(url)[0]


def split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    match = _LOGIN.match(url)
    if match is None:
        return url, None
    user, _, password = match[2].partition(":")
    return f"{match[1] or ''}{url[match.end() :]}", (unquote(user), unquote(password))
