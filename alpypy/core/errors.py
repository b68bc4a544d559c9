"""Every error that alpypy reports: a class for each kind, with its exit code.

A message says what happened and to what; ``remedy`` says what to do now. Exit code 1 is reserved
for findings (``verify``, ``check``, ``patches``, ``update --check``).
"""

from __future__ import annotations

from typing import ClassVar


class AlpypyError(Exception):
    """Base of all errors that alpypy shows without a traceback."""

    exit_code: ClassVar[int] = 70

    def __init__(self, what: str, *, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}\n  {self.remedy}"


class SpecError(AlpypyError):
    """What the user asked for does not exist or cannot be combined."""

    exit_code = 2


class DataError(AlpypyError):
    """A file in versions/ or patches/ is not usable."""

    exit_code = 3


class DownloadError(AlpypyError):
    """A file could not be fetched from any address. ``missing``: all say that there is none."""

    exit_code = 4

    def __init__(self, what: str, *, remedy: str, missing: bool = False) -> None:
        super().__init__(what, remedy=remedy)
        self.missing = missing


class DigestError(AlpypyError):
    """A file is complete, but its digest is not the expected one."""

    exit_code = 5


class ArchiveError(AlpypyError):
    """An archive is truncated, damaged or would write outside its folder."""

    exit_code = 6


class PatchError(AlpypyError):
    """A patch does not apply cleanly."""

    exit_code = 7


class EngineError(AlpypyError):
    """No container engine answers, or the engine refused a request."""

    exit_code = 8


class ResourceError(AlpypyError):
    """Too little memory or disk for the next step, or a file that cannot be used."""

    exit_code = 9


class ImageError(AlpypyError):
    """An image could not be built."""

    exit_code = 10


class TranslationError(AlpypyError):
    """RPython or the C compiler stopped before there was an executable."""

    exit_code = 11


class PackageError(AlpypyError):
    """A translated tree could not be made into a tarball."""

    exit_code = 12


class KitError(AlpypyError):
    """The kit for restricted networks could not be prepared."""

    exit_code = 13


class CheckError(AlpypyError):
    """A test suite could not be run at all."""

    exit_code = 14


class UnverifiedError(AlpypyError):
    """Refused to hand out: a tarball that has not passed verify, or an untested wheel."""

    exit_code = 15


class WheelError(AlpypyError):
    """A wheel could not be built or repaired, or its smoke test failed."""

    exit_code = 16


class ReleaseError(AlpypyError):
    """The index of a release is not usable, or the place to publish it refuses it."""

    exit_code = 18


class PushError(AlpypyError):
    """A registry did not take an image."""

    exit_code = 19


class ProxyError(AlpypyError):
    """The caching proxy cannot be started, or ended by itself."""

    exit_code = 20


class PageError(AlpypyError):
    """A page of a publisher is not in the form that alpypy reads."""

    exit_code = 21


class LibraryError(AlpypyError):
    """A library of a portable build could not be compiled."""

    exit_code = 22


class BenchError(AlpypyError):
    """An interpreter that is to be measured cannot be run."""

    exit_code = 23
