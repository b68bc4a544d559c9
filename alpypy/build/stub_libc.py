"""The C library that libraries and portable builds link with: names, and nothing behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from alpypy.build.toolchain import LibraryToolchain, scripts
from alpypy.core.errors import LibraryError
from alpypy.core.store import key_of
from alpypy.engine.job import Job, Mount
from alpypy.engine.workspace import Workspace
from alpypy.recipes.musl import Musl, MuslVariable

FILE_NAME = "libc.so"


def assembler(musl: Musl) -> str:
    """A C library with the symbols of a musl, for the assembler of any architecture.

    Variables have their sizes, which the linker copies into programs that use them.
    """
    lines = [
        ".text",
        *_functions("globl", musl.functions),
        *_functions("weak", musl.weak_functions),
        ".data",
        *(line for variable in musl.variables for line in _variable(variable)),
        '.section .note.GNU-stack,"",%progbits',
    ]
    return "\n".join(lines) + "\n"


def _functions(binding: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from (f".{binding} {name}", f".type {name}, %function", f"{name}:", ".balign 8")
        yield f".zero 8\n.size {name}, 8"


def _variable(variable: MuslVariable) -> Iterator[str]:
    yield ".balign 16"
    bindings = {"globl": variable.names, "weak": variable.weak_names}
    for binding, names in bindings.items():
        for name in names:
            yield from (f".{binding} {name}", f".type {name}, %object", f"{name}:")
            yield f".size {name}, {variable.size}"
    yield f".zero {variable.size}"


@dataclass(frozen=True)
class StubLibc:
    """The stage that assembles it. Making it raises LibraryError if the assembler fails."""

    workspace: Workspace
    toolchain: LibraryToolchain
    musl: Musl

    title: ClassVar[str] = "C library to link with"

    @cached_property
    def key(self) -> str:
        """Of the symbols, the script and the toolchain."""
        script = (scripts(self.workspace) / "stub.sh").read_text(encoding="utf-8")
        text = assembler(self.musl)
        return key_of(step="stub", text=text, script=script, toolchain=self.toolchain.key)

    def load(self) -> Path | None:
        """The folder with libc.so."""
        store = self.workspace.store
        return store.folder(self.key) if store.record(self.key) else None

    def make(self, work: Path) -> Mapping[str, Any]:
        """Assemble and link it."""
        source = work / "source"
        source.mkdir()
        (source / "libc.s").write_text(assembler(self.musl), encoding="utf-8")
        mounts = [
            Mount(source, "/source"),
            Mount(scripts(self.workspace), "/scripts"),
            Mount(work, "/out", writable=True),
        ]
        image = self.workspace.store.run(self.toolchain)
        job = Job(image, ["sh", "/scripts/stub.sh", self.musl.soname], mounts)
        done = self.workspace.engine.run(job)
        if done.exit_code:
            raise LibraryError(
                f"the C library to link with could not be made:\n{done.output[-3000:]}",
                remedy=f"correct {scripts(self.workspace) / 'stub.sh'} or versions/musl.toml",
            )
        return {"musl": self.musl.version}
