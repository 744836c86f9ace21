"""The lines of the list of rules, ready to be drawn."""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.business.accounts.models import Role
from app.business.automation.services.history.rule_figures import RuleFigures
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.known_rules import ListedRule
from app.modules.access import current_person
from app.modules.automation.labels.rule_switch import asks_first
from app.modules.automation.labels.runs import STATUSES, run_state
from app.modules.display import ShownTime, TimeWriter, number, plural
from app.modules.navigation import addresses_of


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule as its line is drawn.

    switch_url: empty where the person may not switch it · next_word: in place of `next_at` · failures_url: history of
    its failures · waits: a change of it waits for approval · ends: how its last runs ended, oldest first.
    """

    id: int
    name: str
    url: str
    sentence: str
    practises: bool
    is_archived: bool
    is_broken: bool
    waits: bool
    is_active: bool
    asks_first: bool
    switch_url: str
    next_at: ShownTime | None
    next_word: str
    last_url: str
    last_state: str
    last_at: ShownTime | None
    today: str
    failures: str
    failures_url: str
    ends: tuple[str, ...]
    ends_words: str


def rule_rows(
    rules: Sequence[ListedRule],
    sentence: Callable[[ListedRule], str],
    figures: Mapping[int, RuleFigures],
    ends: Mapping[int, Sequence[str]],
    broken: Container[int],
    waiting: Container[int],
    now: datetime,
) -> list[RuleRow]:
    """The rules with what they have done lately. broken: ids of those that start nothing until
    they are repaired · waiting: of those of which a change waits for approval."""
    page, switch, run = map(addresses_of, ("automation.rule", "automation.switch", "automation.run"))
    failed = addresses_of("automation.history", "rule", status="failed", since=7)
    write, may_switch = TimeWriter(now), current_person().can(Role.EDITOR)
    is_paused = current_person().account.paused_at is not None
    needs_approval = current_person().account.rule_approval_required

    def row(rule: ListedRule) -> RuleRow:
        figure, said = figures[rule.id], rule.definition
        last, works = figure.last_run, said.is_active and rule.id not in broken
        next_at = figure.next_run_at if works else None
        return RuleRow(
            id=rule.id,
            name=said.name,
            url=page(rule.id),
            sentence=sentence(rule),
            practises=said.mode == "shadow",
            is_archived=rule.archived_at is not None,
            is_broken=rule.id in broken,
            waits=rule.id in waiting,
            is_active=said.is_active,
            asks_first=asks_first(said, needs_approval=needs_approval),
            switch_url=switch(rule.id) if may_switch else "",
            next_at=write(next_at) if next_at else None,
            next_word=_next_word(said, works=works, is_paused=is_paused),
            last_url=run(last.id) if last else "",
            last_state=run_state(last) if last else "",
            last_at=write(last.begins_at) if last else None,
            today=f"{number(figure.runs_today)} of {number(said.max_executions_per_day)}",
            failures=number(figure.failures),
            failures_url=failed(rule.id) if figure.failures else "",
            ends=tuple(ends.get(rule.id, ())),
            ends_words=_words(ends.get(rule.id, ())),
        )

    return list(map(row, rules))


def _next_word(rule: RuleDefinition, *, works: bool, is_paused: bool) -> str:
    if not rule.is_active:
        return "–"
    if not works:
        return "Once repaired"
    if is_paused:
        return "Once resumed"
    return "None is planned" if rule.trigger == "schedule" else "When it happens"


def _words(ends: Sequence[str]) -> str:
    """`Last 12 runs: 9 completed, 3 skipped`."""
    said = ", ".join(f"{number} {STATUSES[end].lower()}" for end, number in Counter(ends).most_common())
    return f"Last {plural(len(ends), 'run')}: {said}" if ends else ""
