"""Sites and streams as the database has them, held in memory until one of them changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inference.config_redis import Cached
from streams.directory import SiteInfo, StreamInfo
from streams.models import Site, Stream

AREA = "sites"


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that is active, looked up by name."""

    sites: Mapping[str, SiteInfo]
    by_key: Mapping[str, SiteInfo]
    streams: Mapping[tuple[str, str], StreamInfo]


class CachedDirectory:
    """The directory port over the database.

    Lookups read memory only. `refresh` reads Redis and, after a change, the database: call it
    from a thread, once before the first lookup and then every second at most.
    """

    def __init__(self, url: str) -> None:
        self._cached = Cached(url, AREA, load)

    def refresh(self) -> None:
        """Reads what changed; raises only if nothing was ever read."""
        self._cached.refresh()

    def sites(self) -> Iterable[SiteInfo]:
        """All active sites."""
        return self._cached.value.sites.values()

    def site(self, slug: str) -> SiteInfo | None:
        """The active site of this name."""
        return self._cached.value.sites.get(slug)

    def site_by_key(self, public_key: str) -> SiteInfo | None:
        """The active site with this public key."""
        return self._cached.value.by_key.get(public_key)

    def stream(self, site: str, name: str) -> StreamInfo | None:
        """The active stream of an active site."""
        return self._cached.value.streams.get((site, name))


def load() -> Found:
    """All active sites and streams."""
    sites = [_site(row) for row in Site.objects.filter(active=True)]
    rows = Stream.objects.filter(active=True, site__active=True).select_related("policy")
    return Found(
        sites={site.slug: site for site in sites},
        by_key={site.public_key: site for site in sites},
        streams={(row.site_id, row.name): _stream(row) for row in rows},
    )


def _site(row: Site) -> SiteInfo:
    origins = tuple(str(origin) for origin in row.allowed_origins)
    return SiteInfo(row.slug, row.name, row.public_key, origins)


def _stream(row: Stream) -> StreamInfo:
    """As the row says; it may be older than the rule that a history holds something."""
    return StreamInfo(
        site=row.site_id,
        name=row.name,
        deadline_ms=row.deadline_ms,
        history_frames=max(1, row.history_frames),
        history_s=max(1, row.history_s),
        policy=row.policy.name if row.policy else None,
    )
