"""The result of a run in figures and plain words: summary, steps, and the sentence of a failure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.business.automation.run_documents import RunResult, StepResult, StepSummary
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.unit_receipts import SKIPPED, Outcome
from app.business.automation.unit_models import ActionRun
from app.business.base import Id


def steps_json(session: Session, run: ScheduledTask, actions: Sequence[Action]) -> list[StepResult]:
    """The steps of a run for API and run page, from the receipts."""
    return steps_from(run, actions, receipts_of(session, run))


def receipts_of(session: Session, run: ScheduledTask) -> dict[int, list[ActionRun]]:
    """The units of each step, in the order in which they began."""
    found: dict[int, list[ActionRun]] = defaultdict(list)
    for receipt in session.scalars(_RECEIPTS, {"run_id": run.id}):
        found[receipt.step].append(receipt)
    return found


_RECEIPTS = select(ActionRun).where(ActionRun.run_id == bindparam("run_id", type_=Id)).order_by(ActionRun.id)


def steps_from(
    run: ScheduledTask, actions: Sequence[Action], receipts: Mapping[int, list[ActionRun]]
) -> list[StepResult]:
    """`steps_json` from receipts by step."""
    return [
        _step_json(run, index, action, receipts.get(index, []))
        for index, action in enumerate(actions)
        if index >= run.from_step
    ]


def _step_json(run: ScheduledTask, index: int, action: Action, units: list[ActionRun]) -> StepResult:
    made: dict[str, list[int]] = {}
    before = Counter(unit.done_by_run_id for unit in units if unit.done_by_run_id)
    own = [unit for unit in units if unit.done_by_run_id is None]
    for unit in own:
        for record_type, ids in unit.made.items():
            made.setdefault(record_type, []).extend(ids)
    failed = [unit.message for unit in units if unit.status == "failed"]
    return {
        "index": index,
        "type": action.type,
        "status": _step_status(run, units),
        "records": sum(unit.records for unit in own if unit.status == "done"),
        "left_out": sum(1 for unit in units if unit.status == "left_out"),
        "done_before": [{"run": run_id, "records": count} for run_id, count in sorted(before.items())],
        "made": made,
        "credits": sum(unit.credits for unit in units),
        "error_message": failed[0] if failed else "",
    }


def _step_status(run: ScheduledTask, units: list[ActionRun]) -> str:
    states = {unit.status for unit in units}
    if "failed" in states:
        return Status.FAILED
    if "started" in states:
        return Status.RUNNING if run.status == Status.RUNNING else Status.PENDING
    if run.status == Status.COMPLETED or states:
        return Status.COMPLETED
    return Status.SKIPPED if run.status in (Status.SKIPPED, Status.FAILED) else Status.PENDING


def result_of(session: Session, context: RunContext, notes: list[str]) -> RunResult:
    """The stored result: one sentence, notes, created records, and a summary of each step. Limited in size."""
    if context.run.admitted_at is None:
        return {}
    return result_from(context, receipts_of(session, context.run), notes)


def result_from(context: RunContext, receipts: Mapping[int, list[ActionRun]], notes: list[str]) -> RunResult:
    """The same from receipts by step."""
    steps = steps_from(context.run, context.definition.actions, receipts)
    made: Counter[str] = Counter()
    for step in steps:
        made.update({record_type: len(ids) for record_type, ids in step["made"].items() if ids})
    return {
        "summary": _sentence(context, steps, made, receipts),
        "notes": notes,
        "records": len(context.detail.records or []),
        "made": dict(made),
        "left_out": sum(step["left_out"] for step in steps),
        "near_doubles": _near_doubles(receipts),
        "steps": [_summary(step) for step in steps],
    }


def _summary(step: StepResult) -> StepSummary:
    return {
        "index": step["index"],
        "type": step["type"],
        "status": step["status"],
        "records": step["records"],
        "left_out": step["left_out"],
        "done_before": step["done_before"],
        "credits": step["credits"],
        "error_message": step["error_message"],
    }


def _sentence(
    context: RunContext,
    steps: list[StepResult],
    made: Counter[str],
    receipts: Mapping[int, list[ActionRun]],
) -> str:
    """What was created, then what else was done; if nothing was, why."""
    said = []
    if made:
        made_words = [plural(count, record_type) for record_type, count in made.items()]
        said.append(f"Made {_listed(made_words)}.")
    said += [
        _step_sentence(step, [unit for unit in receipts.get(step["index"], []) if _is_own(unit)])
        for step in steps
        if not step["made"]
    ]
    if count := _near_doubles(receipts):
        said.append(_not_made(count, more=bool(made.get("idea"))))
    return " ".join(filter(None, said)) or _nothing_done(context, steps, receipts)


def _near_doubles(receipts: Mapping[int, list[ActionRun]]) -> int:
    return sum(unit.near_doubles for units in receipts.values() for unit in units if _is_own(unit))


def _not_made(count: int, *, more: bool) -> str:
    ideas = f"{count:,}{' more' if more else ''} idea{'' if count == 1 else 's'}"
    if count == 1:
        return f"{ideas} was not made, because it would compete with another page."
    return f"{ideas} were not made, because they would compete with other pages."


def _is_own(unit: ActionRun) -> bool:
    return unit.status == "done" and unit.done_by_run_id is None


def _step_sentence(step: StepResult, done: list[ActionRun]) -> str:
    """The sentence of a step that creates nothing; empty when it did nothing."""
    if done and CATALOGUE[step["type"]].unit_of == "run":
        return f"{done[0].message or CATALOGUE[step['type']].label}."
    if not step["records"]:
        return ""
    entry = CATALOGUE[step["type"]]
    noun = entry.needed if entry.unit_of == "sector" else done[0].record_type
    return f"{plural(step['records'], noun).capitalize()} {entry.done}."


def _nothing_done(
    context: RunContext, steps: list[StepResult], receipts: Mapping[int, list[ActionRun]]
) -> str:
    if context.run.status == Status.FAILED:
        return "Nothing was finished."
    units = [unit for of_step in receipts.values() for unit in of_step]
    left_out = [unit for unit in units if unit.status == "left_out" and unit.message != SKIPPED]
    if left_out:
        return _all_left_out(left_out)
    entries = [CATALOGUE[step["type"]] for step in steps if step["type"] in CATALOGUE]
    left_over = next((entry.left_over for entry in entries if entry.left_over), None)
    if units and left_over:
        return left_over.sentence
    if any(step["done_before"] for step in steps):
        return "All was done already in an earlier run."
    if context.detail.records and any(action.when for action in context.definition.actions):
        return "There was nothing to do: no record met the conditions of the actions."
    return "There was nothing to do."


def _all_left_out(units: Sequence[ActionRun]) -> str:
    first = units[0]
    if first.record_type == "run":
        return first.message
    were = "was" if len(units) == 1 else "were"
    example = ": " if len({unit.message for unit in units}) == 1 else ", for example: "
    return (
        f"Nothing was done. {plural(len(units), first.record_type)} {were} left out{example}{first.message}"
    )


def failure_sentence(session: Session, context: RunContext, outcome: Outcome) -> str:
    """`9 of 10 tasks written; 1 failed: … Retry does only that one.`"""
    first = outcome.failures[0]
    step = first.unit.step
    failed = sum(failure.unit.step.index == step.index for failure in outcome.failures)
    units = session.scalars(
        select(ActionRun.status).where(
            ActionRun.run_id == context.run.id,
            ActionRun.step == step.index,
            ActionRun.record_type == first.unit.record_type,
            ActionRun.done_by_run_id.is_(None),
            ActionRun.status != "left_out",
        )
    ).all()
    not_begun = outcome.not_begun.get(step.index, 0)
    done, total = units.count("done"), len(units) + not_begun
    if step.entry.unit_of == "run" or total <= 1:
        return f"{step.entry.label}: {first.message}"
    verb = step.entry.done
    noun = plural(total, "sector" if step.entry.unit_of == "sector" else step.record_type)
    rest = f" The service did not answer, so {not_begun:,} were not begun." if not_begun else ""
    only = "that one" if failed + not_begun == 1 else "those"
    return f"{done} of {noun} {verb}; {failed} failed: {first.message}{rest} Retry does only {only}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
