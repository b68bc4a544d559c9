"""The code of modules for keys, without its words: to reword a comment is to redo nothing."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from pathlib import Path

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest_of_code(*modules: Path) -> str:
    """A digest of what modules do: of their lines without comments, docstrings and empty lines.

    The order of the modules and their folders do not count, their names do.
    """
    whole = hashlib.sha256()
    for module in sorted(modules, key=lambda path: path.name):
        code = _without_words(module.read_text(encoding="utf-8"))
        whole.update(f"{module.name}\0{code}\0".encode())
    return whole.hexdigest()


def _without_words(text: str) -> str:
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            words = node.body[0]
            for number in range(words.lineno - 1, words.end_lineno or words.lineno):
                lines[number] = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column]
    return "\n".join(line.rstrip() for line in lines if line.strip())
