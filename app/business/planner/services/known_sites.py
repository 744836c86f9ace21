"""Sites whose pages a process has read before, so that it need not read them again while they stay the same."""

from dataclasses import dataclass, field

from app.business.planner.services.page_doubles import SitePage, SitePages
from app.business.planner.services.site_stamps import SiteStamp

MOST_PAGES = 20_000
"""That are kept in memory, of all sites."""


@dataclass
class KnownSite:
    """stamp: of its pages when they were read · ideas: each with whether it was rejected, oldest first · written: tasks
    and articles · index: all that a new page must not compete with, but for rejected ideas."""

    stamp: SiteStamp
    language: str
    ideas: list[tuple[SitePage, bool]]
    written: list[SitePage]
    index: SitePages

    @property
    def size(self) -> int:
        """The number of its pages."""
        return len(self.ideas) + len(self.written)


@dataclass
class KnownSites:
    """Those that one process has kept, by id; the first of them was kept first."""

    _sites: dict[int, KnownSite] = field(default_factory=dict)

    def take(self, site_id: int, stamp: SiteStamp, language: str) -> KnownSite | None:
        """The site, if its pages are still the same. It is kept no longer: who takes it may change it."""
        site = self._sites.pop(site_id, None)
        return site if site and (site.stamp, site.language) == (stamp, language) else None

    def keep(self, site_id: int, site: KnownSite) -> None:
        """Keep it, in place of those that were kept first where there are too many."""
        self._sites[site_id] = site
        size = sum(one.size for one in self._sites.values())
        while size > MOST_PAGES:
            size -= self._sites.pop(next(iter(self._sites))).size
