"""squid itself: where it is, what it can do, and how it is started."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alpypy.core.errors import ProxyError
from alpypy.core.program import typed

_INSTALL = "install it: apt-get install -y --no-install-recommends squid-openssl"


@dataclass(frozen=True)
class Squid:
    """The squid of this machine, and the user and group to run it as: the caller's own, unless
    that is root."""

    program: str
    user: int
    group: int

    def start(self, arguments: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        """Run it in a folder, in a session of its own: Ctrl-C reaches alpypy alone."""
        root = os.getuid() == 0
        with (folder / "squid.log").open("ab") as log:
            return subprocess.Popen(
                [self.program, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=self.user if root else None,
                group=self.group if root else None,
                extra_groups=[] if root else None,
            )


def find_squid(*, opening: bool) -> Squid:
    """The squid of this machine.

    Args:
        opening: it must be able to open https connections.

    Raises:
        ProxyError: it is not installed, has no OpenSSL, or its user does not exist.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin"
    program = shutil.which("squid", path=path)
    if program is None:
        raise ProxyError("squid is not installed", remedy=_INSTALL)
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout
    if opening and "'--with-openssl" not in said:
        raise ProxyError(
            "this squid cannot open https connections: it was compiled without OpenSSL",
            remedy="install Debian's squid-openssl in its place, or leave out --https",
        )
    account = re.search(r"'--with-default-user=([^']*)'", said)
    return Squid(program, *_account(account[1] if account else "nobody"))


def _account(name: str) -> tuple[int, int]:
    """squid never runs as root, but as the user that its package made."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    try:
        account = pwd.getpwnam(name)
    except KeyError as error:
        raise ProxyError(
            f"squid does not run as root, and this machine has no user {name}",
            remedy=f"run `{typed('proxy')}` as an ordinary user, or install squid's package",
        ) from error
    return account.pw_uid, account.pw_gid
