"""Makes the ideas of a set's runs outside of any transaction: the provider writes for all of them; then what
competes with no other page is chosen, one run after the other."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.business.automation.services.draining.paid_runs import PaidRuns, cluster_of, key_of, step_of
from app.business.automation.services.draining.plain_run import PlainRun
from app.business.base import RowValues
from app.business.planner.services.idea_service import stored_texts
from app.business.planner.services.ideas_facts import SiteFacts
from app.business.planner.services.ideas_service import IdeaDraft, IdeasRequest, IdeasService, idea_fields
from app.business.planner.services.page_doubles import NearDouble, SitePage, SitePages
from app.business.planner.services.record_edit import text_in
from app.business.planner.services.site_stamps import with_new_ideas


@dataclass(frozen=True)
class MadeIdeas:
    """Of one run: the texts of its ideas as they are stored, and those that would have competed with other pages."""

    texts: list[RowValues]
    doubles: list[NearDouble]


@dataclass(frozen=True)
class _Proposed:
    """What the provider has written for a run."""

    request: IdeasRequest
    drafts: list[IdeaDraft]


@dataclass(frozen=True)
class MadeSet:
    """ideas: by run · sites: with all of these ideas, by id."""

    ideas: Mapping[int, MadeIdeas]
    sites: Mapping[int, "_Site"]

    def note_saved(self, ids: Mapping[int, Collection[int]], now: datetime) -> None:
        """Some of the ideas have been saved, with these ids, by site."""
        for site_id, saved in ids.items():
            facts = self.sites[site_id].facts
            facts.stamp = with_new_ideas(facts.stamp, saved, now)

    def keep_sites(self, service: IdeasService) -> None:
        """All have been saved: the next set need not read the sites again."""
        for site_id, site in self.sites.items():
            service.keep_site(site_id, site.facts, site.pages)


def make_ideas(service: IdeasService, paid: PaidRuns) -> MadeSet:
    """Each run sees what those before it make, as if that were saved: it is added to what is known of its site."""
    proposed = {run_id: _propose(service, paid, run) for run_id, run in paid.matching.items()}
    _prepare(service, proposed.values())
    sites = {site_id: _Site(service, site) for site_id, site in paid.facts.sites.items()}
    ideas = {
        run_id: sites[paid.cluster(run).site_id].choose(paid, run, proposed[run_id])
        for run_id, run in paid.matching.items()
    }
    return MadeSet(ideas, sites)


def _propose(service: IdeasService, paid: PaidRuns, run: PlainRun) -> _Proposed:
    request = service.local_request(paid.facts, cluster_of(run), step_of(run.kind).params.ideas_per_cluster)
    drafts, _use = service.propose(request, key_of(run))
    return _Proposed(request, drafts)


def _prepare(service: IdeasService, proposed: Collection[_Proposed]) -> None:
    """Encode together the searches that are going to be compared, if only within their cluster."""
    texts: dict[str, list[str]] = defaultdict(list)
    for one in proposed:
        if len(first := one.drafts[: one.request.count]) > 1:
            pages = (draft.page(one.request.cluster_id) for draft in first)
            texts[one.request.language] += [page.search for page in pages]
    for language, some in texts.items():
        service.likeness.prepare(some, language)


class _Site:
    """As the runs of a set see it: each with what those before it have made."""

    def __init__(self, service: IdeasService, facts: SiteFacts) -> None:
        self.service, self.facts = service, facts
        self.pages = facts.index or self._read()

    def choose(self, paid: PaidRuns, run: PlainRun, proposed: _Proposed) -> MadeIdeas:
        """Those of the run's ideas that are to be made."""
        cluster, pages = paid.cluster(run), self.pages
        if step_of(run.kind).params.again and self.facts.has_rejected(cluster.id):
            # Only the cluster's own new ideas must differ from those that were rejected.
            pages = self._read(cluster.id)
        request = replace(proposed.request, centres=self.facts.centres)
        ideas, doubles = self.service.choose(request, proposed.drafts, pages)
        texts = [stored_texts(idea_fields(draft, cluster.main_keyword)) for draft in ideas]
        stored = [
            SitePage("idea", 0, text_in(text, "title"), text_in(text, "main_keyword"), cluster.id)
            for text in texts
        ]
        self.facts.add_ideas(cluster, stored)
        if stored and stored != self.pages.of_cluster(cluster.id)[-len(stored) :]:
            self.pages = self._read()
        return MadeIdeas(texts, doubles)

    def _read(self, cluster_id: int = 0) -> SitePages:
        return SitePages.of(self.facts.pages(cluster_id), self.facts.language, self.service.likeness)
