"""Executes runs that make ideas for credits together: each statement reads or writes for all of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_documents import RunResult
from app.business.automation.services.actions.provider_handlers import ideas_made
from app.business.automation.services.draining.paid_answers import MadeIdeas
from app.business.automation.services.draining.paid_runs import (
    PaidRuns,
    cluster_of,
    key_of,
    price_of,
    step_of,
)
from app.business.automation.services.draining.set_execution import (
    SetExecution,
    Unexpected,
    Verdict,
    expect,
)
from app.business.automation.services.draining.set_records import RecordKey
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.unit_receipts import Done, Unit, receipt_of_done
from app.business.billing.services.set_charges import Charge, NoRoom, charge_at_once
from app.business.events import EventType, Origin, WholeBatch, write_batches
from app.business.planner.models import Cluster, ClusterStatus, Idea, IdeaStatus, Record, Site
from app.business.planner.services.cluster_service import plan_clusters
from app.business.planner.services.idea_service import insert_ideas
from app.business.planner.services.record_changes import event_row, new_record
from app.business.planner.services.record_snapshot import snapshots


class PaidExecution(SetExecution):
    """Of runs whose ideas are made already."""

    def __init__(
        self,
        session: Session,
        paid: PaidRuns,
        made: Mapping[int, MadeIdeas],
        worker: str,
        now: datetime,
        require_time: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(session, paid.plain, worker, now, require_time)
        self.paid, self.made = paid, made
        self.done: dict[int, Done] = {}

    def _choose(self) -> None:
        self.records, self.choices = self.paid.records, self.paid.choices

    def _count(self) -> None:
        super()._count()
        if self.slots.keys() != self.made.keys():
            # Those behind them would have been executed before them.
            raise Unexpected("Other runs of a rule were counted meanwhile")

    def _verdict(
        self,
        context: RunContext,
        admission: Admission,
        name: str,
        gate: Callable[[Session, RunContext, Admission], Verdict],
    ) -> Verdict:
        price = price_of(self.paid, context).held
        if name == "limit":
            return f"Price {price} of at most {context.definition.credit_limit_per_execution} credits."
        if name == "credits":
            return f"{price} credits set aside."
        return super()._verdict(context, admission, name, gate)

    def _locked(self, contexts: Sequence[RunContext]) -> dict[RecordKey, Record]:
        # As units that save ideas do: first the site, then its clusters.
        sites = {self.paid.cluster(context).site_id for context in contexts}
        self.session.execute(
            select(Site.id).where(Site.id.in_(sites)).order_by(Site.id).with_for_update(key_share=True)
        )
        return super()._locked(contexts)

    def _execute_steps(self, contexts: Sequence[RunContext], records: dict[RecordKey, Record]) -> None:
        clusters = {one.run.id: _cluster(records["cluster", cluster_of(one)]) for one in contexts}
        ids = self._insert_ideas(contexts, clusters)
        self.require_time()
        planned = self._plan_clusters(contexts, clusters, ids)
        self._write_events(contexts, clusters, ids, planned)
        self.require_time()
        for context in contexts:
            made = self.made[context.run.id]
            name, step = clusters[context.run.id].name, step_of(context)
            done = ideas_made(step.params, name, ids[context.run.id], made.doubles)
            self.done[context.run.id] = done
            unit = Unit(step, "cluster", cluster_of(context), (), key_of(context), is_new=True)
            row = receipt_of_done(context, unit, done, self.now)
            self.receipts[context.run.id][step.index].append(row)
        for cluster in clusters.values():
            self.session.expire(cluster)
        charges = [self._charge(context) for context in contexts]
        try:
            charge_at_once(self.session, charges, self.now)
        except NoRoom as error:
            raise Unexpected("The credits were meanwhile used by others") from error

    def _charge(self, context: RunContext) -> Charge:
        done = self.done[context.run.id]
        return price_of(self.paid, context, done.credits, done.message)

    def _insert_ideas(
        self, contexts: Sequence[RunContext], clusters: Mapping[int, Cluster]
    ) -> dict[int, list[int]]:
        """Returns the ids by run."""
        rows = [
            new_record(clusters[context.run.id], IdeaStatus.NEW, self._origin(context), self.now, ordinal)
            | {"cluster_id": cluster_of(context)}
            | text
            for context in contexts
            for ordinal, text in enumerate(self.made[context.run.id].texts)
        ]
        ids = iter(insert_ideas(self.session, rows))
        return {context.run.id: [next(ids) for _ in self.made[context.run.id].texts] for context in contexts}

    def _plan_clusters(
        self,
        contexts: Sequence[RunContext],
        clusters: Mapping[int, Cluster],
        ids: Mapping[int, Sequence[int]],
    ) -> dict[int, str]:
        """Returns the former status of the clusters that are planned now, by run."""
        made = (context.run.id for context in contexts if ids[context.run.id])
        planned = {run_id: clusters[run_id].status for run_id in made}
        planned = {run_id: old for run_id, old in planned.items() if old != ClusterStatus.PLANNED}
        expect(len(planned), plan_clusters(self.session, [clusters[key] for key in planned], self.now))
        return planned

    def _write_events(
        self,
        contexts: Sequence[RunContext],
        clusters: Mapping[int, Cluster],
        ids: Mapping[int, Sequence[int]],
        planned: Mapping[int, str],
    ) -> None:
        of_ideas = snapshots(self.session, Idea, [key for some in ids.values() for key in some], self.now)
        of_clusters = snapshots(self.session, Cluster, [clusters[key].id for key in planned], self.now)
        batches = []
        for context in contexts:
            cluster, origin = clusters[context.run.id], self._origin(context)
            if made := ids[context.run.id]:
                rows = [event_row(cluster, key, of_ideas) for key in made]
                batches.append(WholeBatch(EventType.IDEA_CREATED, origin, "idea", rows))
            if old := planned.get(context.run.id):
                data = {"from": old, "to": ClusterStatus.PLANNED}
                moved = [event_row(cluster, cluster.id, of_clusters, data)]
                batches.append(WholeBatch(EventType.STATUS_CHANGED, origin, "cluster", moved))
        write_batches(self.session, batches, self.now)

    def _origin(self, context: RunContext) -> Origin:
        return context.origin(step_of(context).index, key_of(context))

    def _close(self, context: RunContext) -> None:
        super()._close(context)
        context.run.credits_used = self.done[context.run.id].credits

    def _result(self, context: RunContext) -> RunResult:
        # Nothing of it is the same for many runs.
        self.results.clear()
        return super()._result(context)


def _cluster(row: Record) -> Cluster:
    if not isinstance(row, Cluster):
        raise Unexpected(f"Record {row.id} is no cluster")
    return row
