"""Port: which sites and streams exist, and what they are set to."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """What live traffic needs to know of a site."""

    slug: str
    name: str
    public_key: str
    allowed_origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What live traffic needs to know of a stream."""

    site: str
    name: str
    deadline_ms: int
    history_frames: int
    history_s: int
    policy: str | None
    """Name of its policy; None is the default one."""


class Directory(Protocol):
    """Lookups in memory; inactive sites and streams are not found."""

    def site(self, slug: str) -> SiteInfo | None: ...

    def site_by_key(self, public_key: str) -> SiteInfo | None: ...

    def stream(self, site: str, name: str) -> StreamInfo | None: ...
