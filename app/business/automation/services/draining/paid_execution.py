"""Executes runs that make ideas for credits together: each statement reads or writes for all of them."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.services.actions.provider_handlers import ideas_made
from app.business.automation.services.draining.paid_answers import MadeIdeas
from app.business.automation.services.draining.paid_runs import (
    PaidRuns,
    cluster_of,
    key_of,
    price_of,
    step_of,
)
from app.business.automation.services.draining.plain_run import PlainRun
from app.business.automation.services.draining.set_execution import (
    SetExecution,
    Unexpected,
    Verdict,
    expect,
)
from app.business.automation.services.draining.set_rows import EndedRun
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission
from app.business.automation.services.runs.unit_receipts import Done, Unit, receipt_of_done
from app.business.base import RowValues
from app.business.billing.services.set_charges import Charge, NoRoom, charge_at_once
from app.business.events import EventType, Origin, WholeBatch, write_batches
from app.business.planner.models import Cluster, ClusterStatus, Idea, IdeaStatus
from app.business.planner.services.cluster_service import plan_clusters
from app.business.planner.services.idea_service import insert_ideas
from app.business.planner.services.ideas_facts import ClusterFacts
from app.business.planner.services.record_changes import event_row, new_record
from app.business.planner.services.record_snapshot import snapshot_of_new, snapshots


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
        self.saved: dict[int, list[int]] = {}
        """The ids of the ideas that were made, by site."""

    def _choose(self) -> None:
        self.records, self.choices = self.paid.records, self.paid.choices

    def _count(self) -> None:
        super()._count()
        if self.slots.keys() != self.made.keys():
            # Those behind them would have been executed before them.
            raise Unexpected("Other runs of a rule were counted meanwhile")

    def _verdict(
        self,
        run: PlainRun,
        admission: Admission,
        name: str,
        gate: Callable[[Session, RunContext, Admission], Verdict],
    ) -> Verdict:
        price = price_of(self.paid, run).held
        if name == "limit":
            most = run.kind.context.definition.credit_limit_per_execution
            return f"Price {price} of at most {most} credits."
        if name == "credits":
            return f"{price} credits set aside."
        return super()._verdict(run, admission, name, gate)

    def _execute_steps(self, runs: Sequence[PlainRun]) -> None:
        clusters = {run.id: self.paid.cluster(run) for run in runs}
        rows = {run.id: self._ideas(run, clusters[run.id]) for run in runs}
        ids = self._insert_ideas(rows)
        for run in runs:
            self.saved.setdefault(clusters[run.id].site_id, []).extend(ids[run.id])
        self.require_time()
        planned = self._plan_clusters(runs, clusters, ids)
        self._write_events(runs, clusters, self._events_of_ideas(runs, clusters, ids, rows), planned)
        self.require_time()
        for run in runs:
            made, step = self.made[run.id], step_of(run.kind)
            done = ideas_made(step.params, clusters[run.id].name, ids[run.id], made.doubles)
            self.done[run.id] = done
            unit = Unit(step, "cluster", cluster_of(run), (), key_of(run), is_new=True)
            receipt = receipt_of_done(run.kind.scope.account_id, run.id, unit, done, self.now)
            self.receipts[run.id][step.index].append(receipt)
        charges = [self._charge(run) for run in runs]
        try:
            charge_at_once(self.session, charges, self.now)
        except NoRoom as error:
            raise Unexpected("The credits were meanwhile used by others") from error

    def _charge(self, run: PlainRun) -> Charge:
        done = self.done[run.id]
        return price_of(self.paid, run, done.credits, done.message)

    def _ideas(self, run: PlainRun, cluster: ClusterFacts) -> list[RowValues]:
        """The rows of the run's ideas."""
        origin = self._origin(run)
        return [
            new_record(cluster, IdeaStatus.NEW, origin, self.now, ordinal) | {"cluster_id": cluster.id} | text
            for ordinal, text in enumerate(self.made[run.id].texts)
        ]

    def _insert_ideas(self, rows: Mapping[int, Sequence[RowValues]]) -> dict[int, list[int]]:
        """Returns the ids by run."""
        ids = iter(insert_ideas(self.session, [row for some in rows.values() for row in some]))
        return {run_id: [next(ids) for _ in some] for run_id, some in rows.items()}

    def _plan_clusters(
        self,
        runs: Sequence[PlainRun],
        clusters: Mapping[int, ClusterFacts],
        ids: Mapping[int, Sequence[int]],
    ) -> dict[int, str]:
        """Returns the former status of the clusters that are planned now, by run."""
        made = (run.id for run in runs if ids[run.id])
        planned = {run_id: clusters[run_id].status for run_id in made}
        planned = {run_id: old for run_id, old in planned.items() if old != ClusterStatus.PLANNED}
        places = {clusters[run_id].id: clusters[run_id].account_id for run_id in planned}
        expect(len(planned), plan_clusters(self.session, places, self.now))
        return planned

    def _events_of_ideas(
        self,
        runs: Sequence[PlainRun],
        clusters: Mapping[int, ClusterFacts],
        ids: Mapping[int, Sequence[int]],
        rows: Mapping[int, Sequence[RowValues]],
    ) -> dict[int, list[RowValues]]:
        """By run."""
        found = {}
        for run in runs:
            made = dict(zip(ids[run.id], rows[run.id], strict=True))
            seen = {key: snapshot_of_new(Idea, row, self.now) for key, row in made.items()}
            found[run.id] = [event_row(clusters[run.id], key, seen) for key in made]
        return found

    def _write_events(
        self,
        runs: Sequence[PlainRun],
        clusters: Mapping[int, ClusterFacts],
        of_ideas: Mapping[int, Sequence[RowValues]],
        planned: Mapping[int, str],
    ) -> None:
        of_clusters = snapshots(self.session, Cluster, [clusters[key].id for key in planned], self.now)
        batches = []
        for run in runs:
            cluster, origin = clusters[run.id], self._origin(run)
            if made := of_ideas[run.id]:
                batches.append(WholeBatch(EventType.IDEA_CREATED, origin, "idea", made))
            if old := planned.get(run.id):
                data = {"from": old, "to": ClusterStatus.PLANNED}
                moved = [event_row(cluster, cluster.id, of_clusters, data)]
                batches.append(WholeBatch(EventType.STATUS_CHANGED, origin, "cluster", moved))
        write_batches(self.session, batches, self.now)

    def _origin(self, run: PlainRun) -> Origin:
        origin = run.kind.context.origin(step_of(run.kind).index, key_of(run))
        return replace(origin, run_id=run.id, attempt=1, root_run_id=run.root_id or run.id)

    def _completed(self, run: PlainRun, admission: Admission) -> EndedRun:
        return replace(super()._completed(run, admission), credits=self.done[run.id].credits)

    def _ends(self, run: PlainRun) -> Hashable:
        done = self.done[run.id]
        return len(done.made["idea"]), done.records, done.credits, done.near_doubles
