"""Makes the ideas of a set's runs, one after the other, outside of any transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.business.automation.services.draining.paid_runs import PaidRuns, cluster_of, key_of, step_of
from app.business.automation.services.draining.plain_run import PlainRun
from app.business.base import RowValues
from app.business.planner.services.idea_service import stored_texts
from app.business.planner.services.ideas_facts import IdeasFacts
from app.business.planner.services.ideas_service import IdeasService, idea_fields
from app.business.planner.services.page_doubles import NearDouble, SitePage
from app.business.planner.services.record_edit import text_in


@dataclass(frozen=True)
class MadeIdeas:
    """Of one run: the texts of its ideas as they are stored, and those that would have competed with other pages."""

    texts: list[RowValues]
    doubles: list[NearDouble]


def make_ideas(service: IdeasService, paid: PaidRuns) -> Mapping[int, MadeIdeas]:
    """By run. Each sees what those before it make, as if that were saved."""
    sites = {site_id: replace(site, ideas=list(site.ideas)) for site_id, site in paid.facts.sites.items()}
    facts = IdeasFacts(paid.facts.clusters, sites)
    with service.likeness.in_use():
        return {run_id: _made(service, facts, run) for run_id, run in paid.matching.items()}


def _made(service: IdeasService, facts: IdeasFacts, run: PlainRun) -> MadeIdeas:
    cluster_id, params = cluster_of(run), step_of(run.kind).params
    request = service.request(facts, cluster_id, None, count=params.ideas_per_cluster, again=params.again)
    answer = service.generate(request, key_of(run))
    main_keyword = facts.clusters[cluster_id].main_keyword
    texts = [stored_texts(idea_fields(draft, main_keyword)) for draft in answer.ideas]
    pages = [
        SitePage("idea", 0, text_in(text, "title"), text_in(text, "main_keyword"), cluster_id)
        for text in texts
    ]
    facts.add_ideas(cluster_id, pages)
    return MadeIdeas(texts, answer.doubles)
