"""Programs that the kit lacks, as packages in a repository of their own.

They are not in the kit: its identity is part of every key, so a change to them would make every
translation run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from alpypy.core.fields import Record
from alpypy.core.source import Source
from alpypy.core.structs import read_toml
from alpypy.engine.workspace import Workspace
from alpypy.offline import packages as kit_packages
from alpypy.offline.apk import write_index
from alpypy.offline.contents import Data, Tool
from alpypy.offline.packages import ARCH
from alpypy.offline.pins import Pin

FILE_NAME = "kit-libraries.toml"


class ExtraTools(Record, frozen=True):
    """versions/kit-libraries.toml. ``release`` is the Debian release of the files."""

    release: str
    tools: tuple[Tool, ...]
    data: tuple[Data, ...]

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Every file."""
        debs = (deb for tool in self.tools for deb in tool.debs)
        return tuple(Pin(file.source, self.release) for file in (*debs, *self.data))

    def taking(self, files: Mapping[str, Source]) -> ExtraTools:
        """The same with other files in place of tested ones, which ``files`` knows by digest."""
        tools = tuple(tool.taking(files) for tool in self.tools)
        data = tuple(one.taking(files) for one in self.data)
        return structs.replace(self, tools=tools, data=data)


def load_extra_tools(folder: Path) -> ExtraTools:
    """Read kit-libraries.toml of versions/.

    Raises:
        DataError: it is missing or not TOML, or an entry is not usable.
    """
    return read_toml(folder / FILE_NAME, ExtraTools)


def write_repository(
    workspace: Workspace, extra: ExtraTools, scratch: Path, repository: Path, key_name: str
) -> None:
    """Make the packages and their index, with its public key in a file of that name beside it.

    Args:
        scratch: a folder to work in.

    Raises:
        KitError: a package of Debian cannot be unpacked.
        DownloadError, DigestError: a file could not be downloaded.
    """
    fetch, overlays = workspace.fetcher.fetch, workspace.data / "dockerfiles/kit/overlay"
    packages = []
    for tool in extra.tools:
        kit_packages.lay_out_tool(tool, fetch, overlays, scratch / tool.name)
        packages.append(kit_packages.write_tool(tool, scratch / tool.name, repository))
    for one in extra.data:
        place = scratch / one.name
        packages.append(kit_packages.write_data(one, fetch(one.source), place, repository))
    (repository / key_name).write_bytes(write_index(packages, repository, ARCH, key_name))
