"""The fields of a rule, each declared once: type, default, bounds, and the words for pages and errors."""

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MaxLen
from pydantic import BaseModel, Field

from app.business.automation.services.catalogue import triggers
from app.business.automation.services.catalogue.actions.base import Action
from app.business.automation.services.catalogue.actions.parameters import RowId
from app.business.automation.services.catalogue.actions.registry import OneOfTheCatalogue
from app.business.automation.services.rules.options import Idle, Option, Value, options_of
from app.business.automation.services.schedules.calendar import Schedule

MOST_ACTIONS = 20
RECORD_WORDS: dict[Value, str] = {
    "keyword": "keywords",
    "cluster": "clusters",
    "idea": "ideas",
    "task": "tasks",
    "content": "content",
}


def planned(rule: "RuleFields") -> bool:
    return rule.trigger == "schedule"


def by_event(rule: "RuleFields") -> bool:
    return not planned(rule)


def without_records(rule: "RuleFields") -> bool:
    return rule.record_type is None


NO_RECORDS = Idle(without_records, "This rule works on no records. Leave it out.")
NEVER_MISSED = Idle(
    by_event, "Only planned times can be missed; events wait until we are back. Leave it out."
)


_FIRST, _USUAL, _LAST = 1, 5, 9
_NAMED = {_FIRST: " (first)", _USUAL: " (usual)", _LAST: " (last)"}
PRIORITIES = tuple((str(n), f"{n}{_NAMED.get(n, '')}") for n in range(_FIRST, _LAST + 1))


class RuleFields(BaseModel):
    """Declarations only; `RuleDefinition` validates them."""

    name: Annotated[
        str, Option("Name", "name", hint="What your team will call it, like “Nightly clusters”.")
    ] = Field(min_length=1, max_length=255)
    description: Annotated[str, Option("Note", "name", "Note for your team")] = Field("", max_length=5000)
    trigger: Annotated[str, Option("What starts it", "when", "What starts it?")]
    trigger_options: Annotated[triggers.AnyOptions, Option("Which of these", "when")] = Field(
        default_factory=dict, validate_default=True
    )
    site: Annotated[RowId | None, Option("Site", "where", words={None: "the whole account"})] = None
    sector: Annotated[RowId | None, Option("Sector", "where", words={None: "all sectors"})] = None
    record_type: Annotated[
        str | None,
        Option("Records", "which", "Which records does it work on?", words=RECORD_WORDS | {None: "none"}),
    ] = None
    conditions: Annotated[dict[str, Any], Option("Conditions", "which")] = Field(default_factory=dict)
    actions: Annotated[
        list[Annotated[Action, OneOfTheCatalogue]],
        Option("Actions", "do"),
    ] = Field(min_length=1, max_length=MOST_ACTIONS)
    schedule: Annotated[Schedule | None, Option("Times", "often")] = Field(
        default_factory=dict, validate_default=True
    )
    is_active: Annotated[bool, Option("Switched on", "check")] = True
    max_executions_per_day: Annotated[int, Option("Runs per day", "limits", is_limit=True, frees=True)] = (
        Field(10, ge=1, le=100_000)
    )
    credit_limit_per_execution: Annotated[
        int,
        Option(
            "Credits per run",
            "limits",
            hint="A run takes on as many records as this pays for.",
            is_limit=True,
            frees=True,
        ),
    ] = Field(100, ge=0, le=1_000_000)
    record_limit: Annotated[
        int | None,
        Option(
            "Records per run",
            "limits",
            hint="Leave it empty for the usual: 50, or 500 keywords to group.",
            idle=(NO_RECORDS,),
            is_limit=True,
        ),
    ] = Field(None, ge=1, le=5000)
    record_minimum: Annotated[
        int,
        Option("Fewest records", "which", "Run only if at least this many match", idle=(NO_RECORDS,)),
    ] = Field(1, ge=1, le=5000)
    order: Annotated[str, Option("Which come first", "which", "Which come first?")] = Field(
        "oldest", max_length=64
    )
    batching: Annotated[
        Literal["batch", "each"],
        Option(
            "All together or one by one",
            "often",
            "Records that arrive together",
            choices=(
                ("batch", "All together: one run for all of them"),
                ("each", "One by one: a run for each record"),
            ),
            words={"batch": "all together", "each": "one by one"},
            idle=(
                Idle(planned, "A planned run takes its records together. Leave it at batch."),
                Idle(without_records, "This rule works on no records to take one by one. Leave it at batch."),
            ),
        ),
    ] = "batch"
    split_by: Annotated[
        Literal["none", "site"],
        Option(
            "One run, or one for each site",
            "often",
            choices=(("none", "One run for everything"), ("site", "One run for each site")),
            words={"none": "one run for everything", "site": "one run for each site"},
        ),
    ] = "none"
    repeat: Annotated[
        Literal["once", "after_days", "always"],
        Option(
            "Again?",
            "often",
            choices=(
                ("once", "Never: each record once"),
                ("after_days", "Again after some days"),
                ("always", "Every time it matches"),
            ),
            words={"once": "never", "after_days": "after some days", "always": "every time it matches"},
        ),
    ] = "once"
    repeat_after_days: Annotated[
        int | None, Option("Again after days", "often", "After how many days", idle=(NO_RECORDS,))
    ] = Field(None, ge=1, le=3650)
    overlap: Annotated[
        Literal["skip", "queue", "allow"],
        Option(
            "If the last run is still going",
            "often",
            choices=(("skip", "Leave this run out"), ("queue", "Wait, then run"), ("allow", "Run beside it")),
            words={"skip": "leave this run out", "queue": "wait, then run", "allow": "run beside it"},
            idle=(Idle(by_event, "Only a planned run can meet the one before it. Leave it at skip."),),
        ),
    ] = "skip"
    catch_up: Annotated[
        Literal["latest", "all", "none"],
        Option(
            "If we were offline",
            "often",
            choices=(
                ("latest", "Run the latest missed time"),
                ("all", "Run every missed time"),
                ("none", "Run none of them"),
            ),
            words={
                "latest": "run the latest missed time",
                "all": "run every missed time",
                "none": "run none",
            },
            idle=(NEVER_MISSED,),
        ),
    ] = "latest"
    catch_up_hours: Annotated[
        int,
        Option(
            "Catch up within hours", "often", "Catch up at most how many hours late", idle=(NEVER_MISSED,)
        ),
    ] = Field(12, ge=1, le=720)
    on_closed_days: Annotated[
        Literal["skip", "move", "run"],
        Option(
            "On closed days",
            "often",
            hint="By the calendar of its site, or the account's calendar for a rule over all sites. Without a calendar "
            "it is always open.",
            choices=(
                ("skip", "Leave the run out"),
                ("move", "Run on the next open day"),
                ("run", "Run all the same"),
            ),
            words={
                "skip": "leave the run out",
                "move": "run on the next open day",
                "run": "run all the same",
            },
            idle=(Idle(by_event, "Only planned times follow a calendar. Leave it at skip."),),
        ),
    ] = "skip"
    when_limited: Annotated[
        Literal["wait", "skip"] | None,
        Option(
            "When a limit is reached",
            "limits",
            choices=(
                ("", "Events wait, others are skipped"),
                ("wait", "The run waits"),
                ("skip", "The run is skipped"),
            ),
            words={None: "as usual", "wait": "the run waits", "skip": "the run is skipped"},
            frees=True,
        ),
    ] = None
    priority: Annotated[int, Option("Priority", "limits", choices=PRIORITIES, frees=True)] = Field(
        _USUAL, ge=_FIRST, le=_LAST
    )
    mode: Annotated[
        Literal["live", "shadow"],
        Option(
            "Practice mode",
            "check",
            hint="It goes through every check and says what it would have done, but does nothing and costs nothing.",
            words={"live": "no", "shadow": "yes"},
        ),
    ] = "live"
    monthly_budget: Annotated[
        int | None,
        Option(
            "Monthly budget",
            "limits",
            hint="Most credits in a month. Leave it empty for no limit.",
            words={None: "no limit"},
            is_limit=True,
            frees=True,
        ),
    ] = Field(None, ge=0, le=10_000_000)
    stop_after_failures: Annotated[
        int,
        Option(
            "Stop after failures in a row",
            "limits",
            hint="Then it switches itself off and tells you why. 0: never. A time-out of the AI service, "
            "a lack of credits or a pause does not count.",
            words={0: "never"},
        ),
    ] = Field(5, ge=0, le=1000)


def usual(name: str) -> Any:
    """The field's default. Any: the type depends on the field."""
    return RuleFields.model_fields[name].get_default(call_default_factory=True)


def bounds_of(name: str) -> tuple[int, int]:
    """The lowest and the highest number allowed."""
    limits = RuleFields.model_fields[name].metadata
    low = next(item.ge for item in limits if isinstance(item, Ge))
    high = next(item.le for item in limits if isinstance(item, Le))
    return int(str(low)), int(str(high))


def longest_of(name: str) -> int:
    """The maximum length of the text, in characters."""
    return next(
        item.max_length for item in RuleFields.model_fields[name].metadata if isinstance(item, MaxLen)
    )


OPTIONS = options_of(RuleFields)
"""Field of a rule -> its declaration."""
