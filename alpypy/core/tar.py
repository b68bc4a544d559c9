"""Python's tarfile with its filters: Debian 12 has a Python 3.11.2, and they came with 3.11.4."""

from __future__ import annotations

import tarfile as _tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING or hasattr(_tarfile, "data_filter"):
    import tarfile
else:
    from backports import tarfile

__all__ = ["tarfile"]
