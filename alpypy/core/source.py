"""Files to fetch: their addresses and digests."""

from __future__ import annotations

from alpypy.core.fields import FileUrl, PublishedSha256, PublishedSha512, Record


class Source(Record, frozen=True):
    """A file to fetch: its address, its digest, and where else to get the same bytes.

    ``pypi`` is a requirement that pip downloads, ``debian`` a path below a Debian repository.
    ``url`` is empty if only those have the file; then ``name`` is its name.
    """

    url: FileUrl
    sha256: PublishedSha256
    pypi: str | None = None
    debian: str | None = None
    name: str | None = None

    @property
    def file_name(self) -> str:
        """The file's name, by default the last part of its address."""
        return self.name or (self.url or self.debian or "").rpartition("/")[2]


class Rootfs(Record, frozen=True):
    """Alpine's root file system as a tarball, with one of the digests that Alpine publishes."""

    url: FileUrl
    sha512: PublishedSha512 | None = None
    sha256: PublishedSha256 | None = None

    def __post_init__(self) -> None:
        if self.sha512 and self.sha256:
            raise ValueError("it has two digests, and alpypy would look at one of them only")
        if not (self.sha512 or self.sha256):
            raise ValueError("it has neither sha512 nor sha256")

    @property
    def digest(self) -> tuple[str, str]:
        """The digest that alpypy knows, after the name of its algorithm."""
        return ("sha512", self.sha512) if self.sha512 else ("sha256", str(self.sha256))

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]
