"""Removes users and passwords from texts and addresses before alpypy shows them."""

from __future__ import annotations

import re
from urllib.parse import unquote

# An address up to its @. A password may contain a slash; digits before a slash are a port.
_LOGIN = re.compile(r"(\w+://)?(?!\[)([^/]*:(?!\d*/).*|[^/:]*)@", re.DOTALL)


def without_passwords(text: str) -> str:
    """Another program's message, without users and passwords in its addresses."""
    return re.sub(r"[^\s/'\"]*:[^\s/]*@|(?<=//)[^\s/]*@", "", text)


def without_login(url: str) -> str:
    """An address without its user and password."""
    return split_login(url)[0]


def split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """An address without its login, and the login: user and password, or None."""
    match = _LOGIN.match(url)
    if match is None:
        return url, None
    user, _, password = match[2].partition(":")
    return f"{match[1] or ''}{url[match.end() :]}", (unquote(user), unquote(password))
