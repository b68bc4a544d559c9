"""alpypy: from a version number to a tested PyPy for Alpine Linux."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """``__version__``, read when it is asked for: nothing else needs it.

    It is what git said when alpypy was installed; a checkout that is used in place has none.
    """
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import metadata

    try:
        return metadata.version(__name__)
    except metadata.PackageNotFoundError:
        return "0+checkout"
