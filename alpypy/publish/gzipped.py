"""A tarball as .tar.gz too, because uv (from 0.12.0 on) unpacks no .tar.bz2; and what Python it is.

The same bytes come out on every machine with the same zlib. Others, such as zlib-ng, make other
bytes of the same tar: publish keeps the file that is published.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from alpypy.core.archive import compress_again, read_member
from alpypy.core.errors import ArchiveError
from alpypy.core.files import file_digest
from alpypy.publish.index import ReleasedFile, ReleasedTarball

# The header of C extensions, where PyPy up to 3.7, and from 3.8 on, has it.
_HEADERS = ("include/patchlevel.h", "include/pypy{language}/patchlevel.h")
_VERSION = re.compile(rb'^#define PY_VERSION\s+"(\d{1,3}(?:\.\d{1,3}){2})"', re.MULTILINE)


def with_gzip(tarball: ReleasedTarball, folder: Path) -> ReleasedTarball:
    """Make the ``.tar.gz`` of a tarball in ``folder``, and read the version of its Python.

    Raises:
        ArchiveError: the tarball is damaged, or does not say the version.
        DigestError: the new file does not unpack to the same tar.
    """
    path = folder / tarball.target.gzip_tarball
    compress_again(folder / tarball.file, path)
    file = ReleasedFile(path.name, path.stat().st_size, file_digest(path))
    return replace(tarball, python=_python(path, tarball.language), gzip=file)


def _python(path: Path, language: str) -> str:
    """The Python of a PyPy in full, such as 3.11.15: it is in no name and in no record."""
    headers = (header.format(language=language) for header in _HEADERS)
    match = _VERSION.search(read_member(path, *headers))
    if match is None or not match[1].decode().startswith(f"{language}."):
        raise ArchiveError(
            f"patchlevel.h in {path} names no version of Python {language}",
            remedy="give a tarball that alpypy made",
        )
    return match[1].decode()
