"""What a run came to, in figures and plain words: its result, its steps, and the sentence of a failure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.run_models import ActionRun, ScheduledTask, Status
from app.business.automation.services.catalogue.action_catalogue import CATALOGUE
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs.run_context import RunContext
from app.business.automation.services.runs.run_units import Failure

DONE_VERBS = {
    "cluster_keywords": "clustered",
    "generate_ideas": "given ideas",
    "create_tasks": "turned into tasks",
    "generate_content": "written",
    "update_records": "updated",
    "create_record": "used to create records",
    "notify": "sent",
    "pause_rule": "switched off",
    "resume_rule": "switched on",
}


def steps_json(
    session: Session, run: ScheduledTask, actions: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The steps of a run as the API and the run page show them, from the receipts."""
    receipts: dict[int, list[ActionRun]] = defaultdict(list)
    for receipt in session.scalars(
        select(ActionRun).where(ActionRun.run_id == run.id).order_by(ActionRun.id)
    ):
        receipts[receipt.step].append(receipt)
    return [
        _step_json(run, index, action, receipts.get(index, []))
        for index, action in enumerate(actions)
        if index >= run.from_step
    ]


def _step_json(
    run: ScheduledTask, index: int, action: dict[str, Any], units: list[ActionRun]
) -> dict[str, Any]:
    made: dict[str, list[int]] = {}
    for unit in units:
        for record_type, ids in unit.made.items():
            made.setdefault(record_type, []).extend(ids)
    failed = [unit.message for unit in units if unit.status == "failed"]
    return {
        "index": index,
        "type": action["type"],
        "status": _step_status(run, units),
        "records": sum(unit.records for unit in units if unit.status == "done"),
        "left_out": sum(1 for unit in units if unit.status == "left_out"),
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


def result_of(session: Session, context: RunContext, notes: list[str]) -> dict[str, Any]:
    """The stored result: one sentence, notes, what was made, and each step in short. Bounded in size."""
    if context.run.admitted_at is None:
        return {}
    steps = steps_json(session, context.run, context.definition.actions)
    made: Counter[str] = Counter()
    for step in steps:
        made.update({record_type: len(ids) for record_type, ids in step["made"].items() if ids})
    return {
        "summary": _sentence(context, steps, made),
        "notes": notes,
        "records": len(context.detail.records or []),
        "made": dict(made),
        "left_out": sum(step["left_out"] for step in steps),
        "steps": [{name: value for name, value in step.items() if name != "made"} for step in steps],
    }


def _sentence(context: RunContext, steps: list[dict[str, Any]], made: Counter[str]) -> str:
    if made:
        return "Made " + _listed([plural(count, record_type) for record_type, count in made.items()]) + "."
    worked = [step for step in steps if step["records"]]
    if not worked and any(step["type"] == "cluster_keywords" for step in steps):
        return "No keyword fitted a cluster; they stay new and are tried again in a week."
    if not worked:
        return "There was nothing to do."
    last = worked[-1]
    if CATALOGUE[last["type"]].unit_of == "run":
        return f"{CATALOGUE[last['type']].label}: done."
    return f"{plural(last['records'], context.run.record_type).capitalize()} {DONE_VERBS[last['type']]}."


def failure_sentence(session: Session, context: RunContext, failures: list[Failure]) -> str:
    """`9 of 10 tasks written; 1 failed: … Retry does only that one.`"""
    first = failures[0]
    step = first.unit.step
    of_step = [failure for failure in failures if failure.unit.step.index == step.index]
    units = session.scalars(
        select(ActionRun.status).where(ActionRun.run_id == context.run.id, ActionRun.step == step.index)
    ).all()
    done, total = units.count("done"), len(units)
    if step.entry.unit_of == "run" or total <= 1:
        return f"{step.entry.label}: {first.message}"
    only = "that one" if len(of_step) == 1 else "those"
    verb = DONE_VERBS[step.entry.key]
    noun = plural(total, "sector" if step.entry.unit_of == "sector" else step.record_type)
    return f"{done} of {noun} {verb}; {len(of_step)} failed: {first.message} Retry does only {only}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
