"""Executes plain runs together: each statement reads or writes for all of them.

Everything happens in the caller's transaction, in which their rows are locked. What is met against expectation ends
it: then nothing was done, and the runs are executed one by one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.automation.run_documents import ConditionTrace, GateLine, RunResult
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.actions.local_handlers import UPDATED, changed_labels
from app.business.automation.services.draining import set_rows
from app.business.automation.services.draining.plain_run import PlainRun, PlainRuns, RunKind
from app.business.automation.services.draining.set_labels import LabelledRecord, labelled, write_labels
from app.business.automation.services.draining.set_records import (
    RecordKey,
    SetRecords,
    fits,
    read_records,
)
from app.business.automation.services.draining.set_rows import EndedRun
from app.business.automation.services.runs import conditions_gate, daily_limit, gates, record_claims
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.record_claims import Handled
from app.business.automation.services.runs.record_selection import Choice
from app.business.automation.services.runs.result import result_from
from app.business.automation.services.runs.selection_reasons import none_matching
from app.business.automation.services.runs.steps import Step
from app.business.automation.services.runs.unit_receipts import (
    Unit,
    receipt_of_done,
    receipts_of_skipped,
    unit_key,
)
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues
from app.business.planner.services.record_edit import clean_labels
from app.business.updates import changed_rows

Receipts = dict[int, dict[int, list[RowValues]]]
"""By run and step."""
Verdict = str | Stop | None


class Unexpected(Exception):
    """Fewer rows than there must be: somebody else has changed what these runs work on."""


class SetExecution:
    """Runs of the worker's batch, from their claim to their end."""

    def __init__(
        self,
        session: Session,
        plain: PlainRuns,
        worker: str,
        now: datetime,
        require_time: Callable[[], None] = lambda: None,
    ) -> None:
        """require_time: called between the statements; ends the set, by an exception, where it lasts too long."""
        self.session, self.plain, self.worker, self.now = session, plain, worker, now
        self.require_time = require_time
        self.records = SetRecords()
        self.choices: dict[int, Choice] = {}
        self.slots: dict[int, int] = {}
        """Run -> the number with which it counts today."""
        self.receipts: Receipts = defaultdict(lambda: defaultdict(list))
        self.lines: dict[Hashable, list[GateLine]] = {}
        self.labels: dict[Hashable, list[str]] = {}
        self.results: dict[Hashable, RunResult] = {}
        """What is the same for many runs: entries of the gates, labels after a change, and results."""

    def execute(self) -> list[int]:
        """Returns the runs that were executed. The others, which exceed their rule's daily limit, have been left as
        they were."""
        # What the gates note on the runs that stand for others is not written.
        with self.session.no_autoflush:
            self._choose()
            self.require_time()
            self._count()
            ending = [
                run
                for run in self.plain.runs.values()
                if run.id in self.slots or not self.choices[run.id].matched
            ]
            if ending:
                self._execute(ending)
            for kind in self.plain.kinds:
                if kind.context.run in self.session:
                    self.session.expire(kind.context.run)
                    self.session.expire(kind.context.detail)
        return [run.id for run in ending]

    def _execute(self, runs: Sequence[PlainRun]) -> None:
        self._begin(runs)
        matching = [run for run in runs if run.id in self.slots]
        ended = [self._skipped(run) for run in runs if run.id not in self.slots]
        admissions = {run.id: self._admission(run) for run in matching}
        self.require_time()
        if matching:
            handled = [
                self._handled(run, record_id) for run in matching for record_id in self.choices[run.id].ids
            ]
            taken = record_claims.claim_as_handled(self.session, handled, self.now)
            expect(len(handled), taken)
            self.require_time()
            self._execute_steps(matching)
        ended += [self._completed(run, admissions[run.id]) for run in matching]
        self.require_time()
        receipts = [row for steps in self.receipts.values() for rows in steps.values() for row in rows]
        written = set_rows.write(self.session, ended, receipts, self.now, self.worker, self.require_time)
        expect(len(runs), written)
        self.require_time()

    def _choose(self) -> None:
        self.records = read_records(self.session, self.plain, is_locked=True, to_label=True)
        self.choices = {run.id: self.records.choice(run) for run in self.plain.runs.values()}
        # A run that meets held records waits, or goes on without them: the runs after it may depend on that.
        held = [run_id for run_id in self.plain.runs if self.choices[run_id].held]
        if held:
            self._cut(held[0])

    def _cut(self, first: int) -> None:
        """Leave out this run and those after it."""
        ids = list(self.plain.runs)
        kept = ids[: ids.index(first)]
        self.plain.others = 0
        self.plain.runs = {run_id: self.plain.runs[run_id] for run_id in kept}

    def _count(self) -> None:
        """Count the matching runs of each rule for today's limit, in their order; all of them, or none."""
        by_rule: dict[int, list[PlainRun]] = defaultdict(list)
        for run in self.plain.runs.values():
            if self.choices[run.id].ids:
                by_rule[run.kind.context.rule.id].append(run)
        wanted = [(runs[0].kind.context, len(runs)) for runs in by_rule.values()]
        used = daily_limit.take_slots(self.session, wanted)
        for rule_id, number in used.items():
            first = number - len(by_rule[rule_id]) + 1
            self.slots.update((run.id, first + place) for place, run in enumerate(by_rule[rule_id]))

    def _begin(self, runs: Sequence[PlainRun]) -> None:
        """Of runs that are executed one at a time the first one takes the place of the running one for all."""
        firsts: dict[int, int] = {}
        for run in runs:
            if run.opening is None and run.kind.context.run.cause in SERIAL_CAUSES:
                firsts.setdefault(run.kind.context.rule.id, run.id)
        if firsts:
            row = ScheduledTask
            begun = changed_rows(
                self.session,
                update(row)
                .where(row.id.in_(firsts.values()), row.status == Status.PENDING)
                .values(status=Status.RUNNING)
                # What ends the run leaves a hint for open pages.
                .execution_options(is_shown=False),
            )
            expect(len(firsts), begun)

    def _handled(self, run: PlainRun, record_id: int) -> Handled:
        kind = run.kind
        return Handled(kind.scope.account_id, kind.context.rule.id, kind.record_type, record_id, run.id)

    def _admission(self, run: PlainRun) -> Admission:
        """What the gates say; all of them let the run pass."""
        choice, context = self.choices[run.id], run.kind.context
        admission = Admission(choice=choice, records=choice.ids, place=choice.place)
        admission.looked_at = choice.offered or 0
        known = {
            "conditions": conditions_gate.matching_records(context, choice),
            "daily_limit": daily_limit.sentence(context.rule, self.slots[run.id]),
        }
        admission.gates = [
            gates.gate_line(line["gate"], known[line["gate"]]) if line["gate"] in known else line
            for line in self._same_lines(run, admission)
        ]
        return admission

    def _same_lines(self, run: PlainRun, admission: Admission) -> list[GateLine]:
        """What each gate says of all runs that differ in nothing that it reads; those of conditions and of the daily
        limit are placeholders."""
        key = run.kind, len(admission.records)
        if key not in self.lines:
            self.lines[key] = self._lines(run, admission, {"conditions", "daily_limit"}, None)
        return self.lines[key]

    def _lines(
        self, run: PlainRun, admission: Admission, without: set[str], stop: tuple[str, Stop] | None
    ) -> list[GateLine]:
        lines: list[GateLine] = []
        for name, gate in gates.GATES:
            if lines and lines[-1]["result"] in ("stop", "not_evaluated"):
                lines.append(gates.not_evaluated(name))
                continue
            verdict = self._verdict(run, admission, name, gate) if name not in without else ""
            if stop and name == stop[0]:
                verdict = stop[1]
            elif isinstance(verdict, Stop):
                raise Unexpected(verdict.message)
            lines.append(gates.gate_line(name, verdict))
        return lines

    def _verdict(
        self,
        run: PlainRun,
        admission: Admission,
        name: str,
        gate: Callable[[Session, RunContext, Admission], Verdict],
    ) -> Verdict:
        return gates.FREE if name == "credits" else gate(self.session, run.kind.context, admission)

    def _skipped(self, run: PlainRun) -> EndedRun:
        """The end of a run none of whose records matches."""
        message = none_matching(run.kind.context, self.choices[run.id], self.records.in_scope(run))
        key = run.kind, message
        if key not in self.lines:
            stop = "conditions", Stop(Reason.CONDITIONS, message)
            self.lines[key] = self._lines(run, Admission(), {"conditions"}, stop)
        trace = self._trace(run.kind, run.records[: conditions_gate.SAMPLE])
        return EndedRun(run, message=message, gates=self.lines[key], trace=trace)

    def _trace(self, kind: RunKind, ids: Sequence[int]) -> ConditionTrace | None:
        has_conditions = bool(kind.context.definition.conditions)
        return {"records": self.records.traces(kind, ids)} if has_conditions else None

    def _execute_steps(self, runs: Sequence[PlainRun]) -> None:
        records = labelled(self.records.seen)
        for run in runs:
            for step in run.kind.steps:
                ids = self.choices[run.id].ids
                excluded = [key for key in ids if not self._execute_unit(run, step, key, records)]
                if excluded:
                    skipped = receipts_of_skipped(run.kind.scope.account_id, run.id, step, excluded, self.now)
                    self.receipts[run.id][step.index] += skipped
        write_labels(self.session, records, self.now)

    def _execute_unit(
        self, run: PlainRun, step: Step, record_id: int, records: Mapping[RecordKey, LabelledRecord]
    ) -> bool:
        """Whether the step's condition does not exclude the record, after what the steps before have changed."""
        kind = run.kind
        record = records[kind.record_type, record_id]
        if step.when is not None and not fits(step.when, record.values, kind):
            return False
        record.relabel(self._labels(kind, step, record.labels), self.now)
        key = unit_key(run.id, step.index, record_id)
        unit = Unit(step, kind.record_type, record_id, (record_id,), key, is_new=True)
        receipt = receipt_of_done(kind.scope.account_id, run.id, unit, UPDATED, self.now)
        self.receipts[run.id][step.index].append(receipt)
        return True

    def _labels(self, kind: RunKind, step: Step, present: list[str]) -> list[str]:
        """Labels after the step."""
        key = kind, step.index, tuple(present)
        if key not in self.labels:
            self.labels[key] = clean_labels(changed_labels(present, step.params))
        return self.labels[key]

    def _completed(self, run: PlainRun, admission: Admission) -> EndedRun:
        result = self._result(run, admission)
        trace = self._trace(run.kind, admission.records[:1])
        return EndedRun(run, admission, gates=admission.gates, trace=trace, result=result)

    def _result(self, run: PlainRun, admission: Admission) -> RunResult:
        records = admission.records
        key = run.kind, len(records), self._ends(run)
        if key not in self.results:
            # In the place of this run: see `RunKind`.
            context = run.kind.context
            context.run.status, context.detail.records = Status.COMPLETED, records
            receipts = self.receipts[run.id].items()
            units = {step: [ActionRun(**row) for row in rows] for step, rows in receipts}
            self.results[key] = result_from(context, units, admission.notes)
        return self.results[key]

    def _ends(self, run: PlainRun) -> Hashable:
        """How the run's units ended, as far as that makes its result another one."""
        receipts = self.receipts[run.id]
        return tuple(tuple(row["status"] for row in receipts[step]) for step in sorted(receipts))


def expect(wanted: int, found: int) -> None:
    """Raises Unexpected where the numbers differ."""
    if found != wanted:
        raise Unexpected(f"{found} rows instead of {wanted}")
