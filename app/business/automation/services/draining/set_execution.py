"""Executes plain runs together: each statement reads or writes for all of them.

Everything happens in the caller's transaction, in which their rows are locked. What is met against expectation ends
it: then nothing was done, and the runs are executed one by one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, insert, select, update
from sqlalchemy.orm import Session

from app.business.automation.run_models import ActionRun, Reason, RunAttempt, ScheduledTask, Status
from app.business.automation.services.actions.local_handlers import UPDATED, changed_labels
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.draining.plain_runs import PlainRuns
from app.business.automation.services.rule_engine import note_admission
from app.business.automation.services.runs import closing, gates, record_claims
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission, Stop
from app.business.automation.services.runs.lease import SERIAL_CAUSES
from app.business.automation.services.runs.record_selection import Choice, choose_for_many
from app.business.automation.services.runs.result import result_from
from app.business.automation.services.runs.selection_reasons import none_of_given
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.automation.services.runs.unit_plan import wanted_ids
from app.business.automation.services.runs.unit_receipts import (
    Unit,
    receipt_of_done,
    receipts_of_skipped,
    unit_key,
)
from app.business.planner.models import Record
from app.business.planner.services.record_edit import set_labels

Row = dict[str, Any]
Receipts = dict[int, dict[int, list[ActionRun]]]
"""By run and step."""


class Unexpected(Exception):
    """Fewer rows than there must be: somebody else has changed what these runs work on."""


class SetExecution:
    """Runs of the worker's batch, from their claim to their end."""

    def __init__(self, session: Session, plain: PlainRuns, worker: str, now: datetime) -> None:
        self.session, self.plain, self.worker, self.now = session, plain, worker, now
        self.choices: dict[int, Choice] = {}
        self.slots: dict[int, int] = {}
        """Run -> the number with which it counts today."""
        self.receipts: Receipts = defaultdict(lambda: defaultdict(list))
        self.rows: list[Row] = []
        self.left_out: list[Row] = []
        """Receipts of units that are done, and of those that a step's condition excludes."""

    def execute(self) -> list[int]:
        """Returns the runs that were executed. The others, which exceed their rule's daily limit, have been left as
        they were."""
        # Rows that differ are written once, at the end.
        with self.session.no_autoflush:
            self._choose()
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
        if len(matching) < len(contexts):
            for run_ids in self.plain.groups.values():
                self._skip([run_id for run_id in run_ids if not self.choices[run_id].matched])
            # Rows of which the same columns have changed are written by one statement.
            self.session.flush()
        for context in matching:
            self._admit(context)
        self._claim(matching)
        for run_ids in self.plain.groups.values():
            self._execute_steps([run_id for run_id in run_ids if run_id in self.slots])
        for rows in (self.left_out, self.rows):
            if rows:
                self.session.execute(insert(ActionRun), rows)
        self._close(matching)
        self.session.flush()
        attempts = [_attempt(context.run, self.now) for context in contexts]
        self.session.execute(insert(RunAttempt), attempts)

    def _choose(self) -> None:
        for run_ids in self.plain.groups.values():
            contexts = [self.plain.contexts[run_id] for run_id in run_ids]
            chosen = choose_for_many(self.session, contexts)
            self.choices.update(zip(run_ids, chosen, strict=True))
        # A run that meets held records waits, or goes on without them: the runs after it may depend on that.
        held = [run_id for run_id in self.plain.contexts if self.choices[run_id].held]
        if held:
            self._cut(held[0])

    def _cut(self, first: int) -> None:
        """Leave out this run and those after it."""
        ids = list(self.plain.contexts)
        left_out = set(ids[ids.index(first) :])
        self.plain.others = 0
        self.plain.contexts = {key: one for key, one in self.plain.contexts.items() if key not in left_out}
        self.plain.groups = {
            key: [run_id for run_id in run_ids if run_id not in left_out]
            for key, run_ids in self.plain.groups.items()
        }

    def _count(self) -> None:
        """Count the matching runs of each rule for today's limit, in their order; all of them, or none."""
        by_rule: dict[int, list[RunContext]] = defaultdict(list)
        for run_id, context in self.plain.contexts.items():
            if self.choices[run_id].ids:
                by_rule[context.rule.id].append(context)
        for rule_id in sorted(by_rule):
            contexts = by_rule[rule_id]
            count = len(contexts)
            if count > contexts[0].rule.max_executions_per_day:
                continue
            used = gates.take_slots(self.session, contexts[0], count)
            if used is not None:
                first = used - count + 1
                self.slots.update((one.run.id, first + place) for place, one in enumerate(contexts))

    def _begin(self, contexts: Sequence[RunContext]) -> None:
        """Of runs that are executed one at a time the first one takes the place of the running one for all."""
        firsts: dict[int, int] = {}
        for context in contexts:
            if context.run.cause in SERIAL_CAUSES:
                firsts.setdefault(context.rule.id, context.run.id)
        if firsts:
            row = ScheduledTask
            begun = self.session.execute(
                update(row)
                .where(row.id.in_(firsts.values()), row.status == Status.PENDING)
                .values(status=Status.RUNNING)
                # What ends the run leaves a hint for open pages.
                .execution_options(synchronize_session=False, is_shown=False)
            )
            _expect(len(firsts), cast(CursorResult[Any], begun).rowcount)

    def _note_attempt(self, run: ScheduledTask) -> None:
        run.attempt, run.worker, run.started_at = 1, self.worker, run.started_at or self.now

    def _admit(self, context: RunContext) -> None:
        """Note what the gates say; all of them let the run pass."""
        run, choice = context.run, self.choices[context.run.id]
        self._note_attempt(run)
        admission = Admission(choice=choice, records=choice.ids, place=choice.place)
        admission.looked_at = choice.offered or 0
        for name, gate in gates.GATES:
            match name:
                case "conditions":
                    verdict: str | Stop | None = gates.matching_records(context, choice)
                case "daily_limit":
                    verdict = gates.note_slot(context, self.slots[run.id])
                case "credits":
                    context.start_of_spending()
                    verdict = gates.FREE
                case _:
                    verdict = gate(self.session, context, admission)
            if isinstance(verdict, Stop):
                raise Unexpected(verdict.message)
            admission.gates.append(gates.gate_line(name, verdict))
        note_admission(context, admission)

    def _claim(self, contexts: Sequence[RunContext]) -> None:
        wanted = sum(len(context.detail.records or ()) for context in contexts)
        _expect(wanted, record_claims.claim_as_handled(self.session, contexts))

    def _skip(self, run_ids: Sequence[int]) -> None:
        """End the runs none of whose records matches."""
        if not run_ids:
            return
        contexts = [self.plain.contexts[run_id] for run_id in run_ids]
        self._trace(contexts, gates.SAMPLE)
        choices = [self.choices[run_id] for run_id in run_ids]
        messages = none_of_given(self.session, contexts, choices)
        for context, message in zip(contexts, messages, strict=True):
            self._note_attempt(context.run)
            context.detail.gates = self._gates_until_conditions(context, message)
            closing.end_unmatched(context, message)

    def _gates_until_conditions(self, context: RunContext, message: str) -> list[Row]:
        lines: list[Row] = []
        stop = Stop(Reason.CONDITIONS, message)
        for name, gate in gates.GATES:
            if lines and lines[-1]["result"] in ("stop", "not_evaluated"):
                lines.append(gates.not_evaluated(name))
                continue
            verdict = stop if name == "conditions" else gate(self.session, context, Admission())
            if isinstance(verdict, Stop) and verdict is not stop:
                raise Unexpected(verdict.message)
            lines.append(gates.gate_line(name, verdict))
        return lines

    def _execute_steps(self, run_ids: Sequence[int]) -> None:
        if not run_ids:
            return
        contexts = [self.plain.contexts[run_id] for run_id in run_ids]
        self._trace(contexts, 1)
        records = self._locked(contexts)
        for step in steps_of(contexts[0]):
            wanted = self._wanted(step, contexts[0], records)
            for context in contexts:
                ids = context.detail.records or []
                for record_id in [key for key in ids if key in wanted]:
                    set_labels(
                        records[record_id],
                        changed_labels(records[record_id].labels, step.params),
                        self.now,
                    )
                    self._receive(context, step, record_id)
                self._leave_out(context, step, [key for key in ids if key not in wanted])

    def _wanted(self, step: Step, first: RunContext, records: Mapping[int, Record]) -> set[int]:
        """Records that the step's condition does not exclude, after what the steps before have changed."""
        unwritten = {key: {"labels": row.labels} for key, row in records.items()}
        return set(wanted_ids(self.session, first, step, list(records), unwritten=unwritten))

    def _trace(self, contexts: Sequence[RunContext], most: int) -> None:
        """The evaluation of each run's first records, as they were before the steps."""
        first = contexts[0]
        if not first.definition.conditions:
            return
        firsts = {context.run.id: (context.detail.records or [])[:most] for context in contexts}
        asked = [key for keys in firsts.values() for key in keys]
        facts = gates.facts_of(self.session, first, first.definition.record_type, asked)
        for context in contexts:
            context.detail.trace = {"records": gates.traces_of(context, firsts[context.run.id], facts)}

    def _locked(self, contexts: Sequence[RunContext]) -> dict[int, Record]:
        model: Any = MODELS[contexts[0].run.record_type or ""]
        wanted = sorted(key for context in contexts for key in context.detail.records or ())
        query = select(model).where(model.account_id == contexts[0].account.id, model.id.in_(wanted))
        locked = query.order_by(model.id).with_for_update(key_share=True)
        rows = self.session.scalars(locked, execution_options={"populate_existing": True}).all()
        _expect(len(wanted), len(rows))
        return {row.id: row for row in rows}

    def _receive(self, context: RunContext, step: Step, record_id: int) -> None:
        key = unit_key(context.run.id, step.index, record_id)
        unit = Unit(step, str(step.record_type), record_id, (record_id,), key, is_new=True)
        row = receipt_of_done(context, unit, UPDATED, self.now)
        self.rows.append(row)
        self.receipts[context.run.id][step.index].append(ActionRun(**row))

    def _leave_out(self, context: RunContext, step: Step, ids: Sequence[int]) -> None:
        rows = receipts_of_skipped(context, step, ids, self.now)
        self.left_out += rows
        self.receipts[context.run.id][step.index] += [ActionRun(**row) for row in rows]

    def _close(self, contexts: Sequence[RunContext]) -> None:
        for context in contexts:
            run = context.run
            run.status, run.finished_at, run.reason, run.error_message = Status.COMPLETED, self.now, None, ""
            run.lease_token = run.lease_until = None
            run.credits_used = run.remaining = 0
            run.result = result_from(context, self.receipts[run.id], list(context.detail.options["notes"]))


def _attempt(run: ScheduledTask, now: datetime) -> Row:
    return {
        "account_id": run.account_id,
        "run_id": run.id,
        "number": run.attempt,
        "worker": run.worker,
        "started_at": now,
        "finished_at": now,
        "status": run.status,
        "reason": run.reason,
        "error_message": run.error_message,
        "credits_used": 0,
    }


def _expect(wanted: int, found: int) -> None:
    if found != wanted:
        raise Unexpected(f"{found} rows instead of {wanted}")
