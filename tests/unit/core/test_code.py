"""Which changes of a module change the digest of its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpypy.core.code import digest_of_code

CODE = '''\
"""Words."""

import os  # more words

PLACE = "a # b"


class Thing:
    """Words
    # in two lines."""

    def act(self) -> str:
        """Words."""
        if os.sep:
            PLACE.strip()
        return """no
words"""
'''


def digest(folder: Path, text: str, name: str = "module.py") -> str:
    path = folder / name
    path.write_text(text)
    return digest_of_code(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Words."""\n\nimport', '"""Other words,\nand more."""\n\n# a comment\nimport'),
        ("  # more words", ""),
        ("\n\n\nclass", "\n\n\n\nclass"),
        ('        """Words."""\n', ""),
        ("        if", "        # why\n        if"),
        ("# in two lines.", "# in three\n\n    lines."),
    ],
)
def test_words_do_not_count(old: str, new: str, tmp_path: Path) -> None:
    assert old in CODE
    assert digest(tmp_path, CODE.replace(old, new)) == digest(tmp_path, CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a # b", "a # c"),
        ("no\nwords", "no\nother words"),
        (
            "            PLACE.strip()\n        return",
            "            PLACE.strip()\n            return",
        ),
        ("act", "react"),
        ("import os", "import os, sys"),
    ],
)
def test_code_counts(old: str, new: str, tmp_path: Path) -> None:
    assert old in CODE
    assert digest(tmp_path, CODE.replace(old, new)) != digest(tmp_path, CODE)


def test_the_name_counts_and_the_order_does_not(tmp_path: Path) -> None:
    assert digest(tmp_path, CODE) != digest(tmp_path, CODE, "other.py")
    paths = [tmp_path / "module.py", tmp_path / "other.py"]
    assert digest_of_code(*paths) == digest_of_code(*reversed(paths))
    assert digest_of_code(*paths) != digest_of_code(paths[0])
