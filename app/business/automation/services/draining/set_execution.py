"""Executes plain runs together: each statement reads or writes for all of them.

Everything happens in the caller's transaction, in which their rows are locked. What is met against expectation ends
it: then nothing was done, and the runs are executed one by one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.automation.run_documents import GateLine, RunResult
from app.business.automation.run_models import Reason, ScheduledTask, Status
from app.business.automation.services.actions.local_handlers import UPDATED, changed_labels
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.draining import set_rows
from app.business.automation.services.draining.plain_runs import PlainRuns
from app.business.automation.services.draining.set_records import RecordKey, SetRecords, fits, read_records
from app.business.automation.services.rule_engine import note_admission
from app.business.automation.services.runs import closing, conditions_gate, daily_limit, gates, record_claims
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.record_selection import Choice
from app.business.automation.services.runs.result import result_from
from app.business.automation.services.runs.selection_reasons import none_matching
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.automation.services.runs.unit_receipts import (
    Unit,
    receipt_of_done,
    receipts_of_skipped,
    unit_key,
)
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues
from app.business.planner.models import Record
from app.business.planner.services.record_edit import set_labels
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
        self.results: dict[Hashable, RunResult] = {}
        """What is the same for many runs: entries of the gates, and results."""

    def execute(self) -> list[int]:
        """Returns the runs that were executed. The others, which exceed their rule's daily limit, have been left as
        they were."""
        # Rows that differ are written once, at the end.
        with self.session.no_autoflush:
            self._choose()
            self.require_time()
            self._count()
            ending = {
                run_id: context
                for run_id, context in self.plain.contexts.items()
                if run_id in self.slots or not self.choices[run_id].matched
            }
            if ending:
                self._execute(list(ending.values()))
        return list(ending)

    def _execute(self, contexts: Sequence[RunContext]) -> None:
        self._begin(contexts)
        matching = [context for context in contexts if context.run.id in self.slots]
        for context in contexts:
            if context.run.id not in self.slots:
                self._skip(context)
        for context in matching:
            self._admit(context)
        self.require_time()
        if matching:
            expect(_number_of_records(matching), record_claims.claim_as_handled(self.session, matching))
            self.require_time()
            self._execute_steps(matching, self._locked(matching))
        for context in matching:
            self._close(context)
        self.require_time()
        receipts = [row for steps in self.receipts.values() for rows in steps.values() for row in rows]
        written = set_rows.write(self.session, contexts, receipts, self.now, self.require_time)
        expect(len(contexts), written)
        self.require_time()
        # The records, which the ORM writes.
        self.session.flush()

    def _choose(self) -> None:
        contexts = self.plain.contexts
        self.records = read_records(self.session, list(contexts.values()))
        self.choices = {run_id: self.records.choice(context) for run_id, context in contexts.items()}
        # A run that meets held records waits, or goes on without them: the runs after it may depend on that.
        held = [run_id for run_id in contexts if self.choices[run_id].held]
        if held:
            self._cut(held[0])

    def _cut(self, first: int) -> None:
        """Leave out this run and those after it."""
        ids = list(self.plain.contexts)
        kept = ids[: ids.index(first)]
        self.plain.others = 0
        self.plain.contexts = {run_id: self.plain.contexts[run_id] for run_id in kept}

    def _count(self) -> None:
        """Count the matching runs of each rule for today's limit, in their order; all of them, or none."""
        by_rule: dict[int, list[RunContext]] = defaultdict(list)
        for run_id, context in self.plain.contexts.items():
            if self.choices[run_id].ids:
                by_rule[context.rule.id].append(context)
        used = daily_limit.take_slots(self.session, [(runs[0], len(runs)) for runs in by_rule.values()])
        for rule_id, number in used.items():
            first = number - len(by_rule[rule_id]) + 1
            self.slots.update((one.run.id, first + place) for place, one in enumerate(by_rule[rule_id]))

    def _begin(self, contexts: Sequence[RunContext]) -> None:
        """Of runs that are executed one at a time the first one takes the place of the running one for all."""
        firsts: dict[int, int] = {}
        for context in contexts:
            if context.run.cause in SERIAL_CAUSES:
                firsts.setdefault(context.rule.id, context.run.id)
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

    def _note_attempt(self, run: ScheduledTask) -> None:
        run.attempt, run.worker, run.started_at = 1, self.worker, run.started_at or self.now

    def _admit(self, context: RunContext) -> None:
        """Note what the gates say; all of them let the run pass."""
        run, choice = context.run, self.choices[context.run.id]
        self._note_attempt(run)
        admission = Admission(choice=choice, records=choice.ids, place=choice.place)
        admission.looked_at = choice.offered or 0
        context.start_of_spending()
        known = {
            "conditions": conditions_gate.matching_records(context, choice),
            "daily_limit": daily_limit.note_slot(context, self.slots[run.id]),
        }
        for line in self._same_lines(context, admission):
            name = line["gate"]
            admission.gates.append(gates.gate_line(name, known[name]) if name in known else line)
        note_admission(context, admission)
        if context.definition.conditions:
            context.detail.trace = {"records": self.records.traces(context, 1)}

    def _same_lines(self, context: RunContext, admission: Admission) -> list[GateLine]:
        """What each gate says of all runs that differ in nothing that it reads; those of conditions and of the daily
        limit are placeholders."""
        key = (*_alike(context), len(admission.records))
        if key not in self.lines:
            self.lines[key] = self._lines(context, admission, {"conditions", "daily_limit"}, None)
        return self.lines[key]

    def _lines(
        self, context: RunContext, admission: Admission, without: set[str], stop: tuple[str, Stop] | None
    ) -> list[GateLine]:
        lines: list[GateLine] = []
        for name, gate in gates.GATES:
            if lines and lines[-1]["result"] in ("stop", "not_evaluated"):
                lines.append(gates.not_evaluated(name))
                continue
            verdict = self._verdict(context, admission, name, gate) if name not in without else ""
            if stop and name == stop[0]:
                verdict = stop[1]
            elif isinstance(verdict, Stop):
                raise Unexpected(verdict.message)
            lines.append(gates.gate_line(name, verdict))
        return lines

    def _verdict(
        self,
        context: RunContext,
        admission: Admission,
        name: str,
        gate: Callable[[Session, RunContext, Admission], Verdict],
    ) -> Verdict:
        return gates.FREE if name == "credits" else gate(self.session, context, admission)

    def _skip(self, context: RunContext) -> None:
        """End a run none of whose records matches."""
        message = none_matching(context, self.choices[context.run.id], self.records.in_scope(context))
        self._note_attempt(context.run)
        if context.definition.conditions:
            context.detail.trace = {"records": self.records.traces(context, conditions_gate.SAMPLE)}
        key = (*_alike(context), message)
        if key not in self.lines:
            stop = "conditions", Stop(Reason.CONDITIONS, message)
            self.lines[key] = self._lines(context, Admission(), {"conditions"}, stop)
        context.detail.gates = self.lines[key]
        closing.end_unmatched(context, message)

    def _execute_steps(self, contexts: Sequence[RunContext], records: dict[RecordKey, Record]) -> None:
        for context in contexts:
            for step in steps_of(context):
                excluded = [
                    key
                    for key in context.detail.records or ()
                    if not self._execute_unit(context, step, key, records)
                ]
                rows = receipts_of_skipped(context, step, excluded, self.now)
                self.receipts[context.run.id][step.index] += rows

    def _execute_unit(
        self, context: RunContext, step: Step, record_id: int, records: dict[RecordKey, Record]
    ) -> bool:
        """Whether the step's condition does not exclude the record, after what the steps before have changed."""
        row = records[str(context.run.record_type), record_id]
        if step.when is not None and not fits(step.when, step.record_type, row, context):
            return False
        set_labels(row, changed_labels(row.labels, step.params), self.now)
        key = unit_key(context.run.id, step.index, record_id)
        unit = Unit(step, str(step.record_type), record_id, (record_id,), key, is_new=True)
        self.receipts[context.run.id][step.index].append(receipt_of_done(context, unit, UPDATED, self.now))
        return True

    def _locked(self, contexts: Sequence[RunContext]) -> dict[RecordKey, Record]:
        """The records as they are now, which must be as they were when they were chosen."""
        found: dict[RecordKey, Record] = {}
        for record_type in sorted({str(context.run.record_type) for context in contexts}):
            model = MODELS[record_type]
            of_type = (context for context in contexts if context.run.record_type == record_type)
            wanted = sorted(key for context in of_type for key in context.detail.records or ())
            query = select(model).where(model.id.in_(wanted)).order_by(model.id)
            rows = self.session.scalars(
                query.with_for_update(key_share=True), execution_options={"populate_existing": True}
            ).all()
            expect(len(wanted), len(rows))
            found.update(((record_type, row.id), row) for row in rows)
        if any(self.records.seen[key]["version"] != row.version for key, row in found.items()):
            raise Unexpected("A record was changed meanwhile")
        return found

    def _close(self, context: RunContext) -> None:
        run = context.run
        run.status, run.finished_at, run.reason, run.error_message = Status.COMPLETED, self.now, None, ""
        run.lease_token = run.lease_until = None
        run.credits_used = run.remaining = 0
        run.result = self._result(context)

    def _result(self, context: RunContext) -> RunResult:
        notes = list(context.detail.options["notes"])
        receipts = self.receipts[context.run.id]
        ends = tuple(tuple(row["status"] for row in receipts[step]) for step in sorted(receipts))
        key = (*_alike(context), ends, tuple(notes))
        if key not in self.results:
            units = {step: [ActionRun(**row) for row in rows] for step, rows in receipts.items()}
            self.results[key] = result_from(context, units, notes)
        return self.results[key]


def _alike(context: RunContext) -> tuple[Hashable, ...]:
    """Equal for plain runs of which the gates and the result say the same, given the same records."""
    run = context.run
    place = run.site_id, run.sector_id, run.record_type
    return (context.rule.id, run.rule_version, *place, run.cause, run.depth, tuple(context.detail.chain))


def _number_of_records(contexts: Sequence[RunContext]) -> int:
    return sum(len(context.detail.records or ()) for context in contexts)


def expect(wanted: int, found: int) -> None:
    """Raises Unexpected where the numbers differ."""
    if found != wanted:
        raise Unexpected(f"{found} rows instead of {wanted}")
