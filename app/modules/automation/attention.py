"""What needs a person, for the top of the dashboard: each with a sentence and the way to what helps."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import current_app, url_for

from app.business.accounts.models import Notice, Role
from app.business.accounts.services.notices import notices_by_key
from app.business.automation.run_models import ScheduledTask, Status, Waiting
from app.business.automation.services.auditing.invariants import NOTICE_KEY
from app.business.automation.services.forecast.credit_watch import LOW, RUN_OUT, nothing_left
from app.business.automation.services.history.glance import Glance
from app.business.automation.services.history.listed_runs import ListedRun
from app.business.automation.services.history.run_attention import failed_since, waiting_budgets
from app.business.automation.services.rules.known_rules import ListedRule, RulesRead, broken_rules
from app.business.automation.services.rules.references import Errors
from app.business.automation.services.triggering.watch import KEY as LATE
from app.business.billing.services.ledger import next_grant_on
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.incident_lines import open_lines
from app.modules.automation.labels.limits import budget_of
from app.modules.automation.labels.repairs import fault_text
from app.modules.automation.labels.runs import REASONS, advice
from app.modules.display import credits, number, plural

NOTICES = (NOTICE_KEY, LATE, RUN_OUT, LOW)
"""Keys of those that say what needs a person."""
FAILURES = 3
INCIDENTS = 3
REPAIRS = 3
BUDGETS = 3


@dataclass(frozen=True)
class Need:
    """One matter. tone: bad or warn where something is wrong, info for work that is to be done, more for the way to
    others of the kind above it · run: a waiting run whose limit can be raised, or a failed one that can be retried."""

    tone: str
    icon: str
    title: str
    text: str = ""
    action: str = ""
    url: str = ""
    run: ScheduledTask | ListedRun | None = None


@dataclass(frozen=True)
class Attention:
    """All that needs somebody, in the order of the list. not_working: names of parts of the machinery ·
    unaccounted: planned times and events of the last day without a run."""

    needs: Sequence[Need]
    not_working: tuple[str, ...]
    unaccounted: int

    @property
    def count(self) -> int:
        """The number of matters on the list."""
        return sum(need.tone != "more" for need in self.needs)

    @property
    def is_cut(self) -> bool:
        """Whether there are more than the list has room for."""
        return any(need.tone == "more" for need in self.needs)

    @property
    def is_wrong(self) -> bool:
        """Whether anything is not as it should be."""
        return bool(self.not_working) or any(need.tone in ("bad", "warn") for need in self.needs)

    @property
    def tone(self) -> str:
        is_bad = self.not_working or any(need.tone == "bad" for need in self.needs)
        if is_bad or self.is_wrong:
            return "bad" if is_bad else "warn"
        return "info" if self.needs else "good"


def attention(rules: RulesRead, counted: Glance, unaccounted: int, since: datetime) -> Attention:
    """About two queries, and one for each kind that there is. `since`: failures before it are no news."""
    session, scope, waiting = db.session(), current_person().scope, counted.waiting
    to_check = counted.flow.to_check
    broken = broken_rules(rules, scope)
    ids = {rule.id for rule, _ in broken}
    failures = failed_since(session, scope, since, FAILURES + 1, without_incidents=True, broken=ids)
    noticed = _from_notices(counted)
    return Attention(
        [
            *(_unaccounted(unaccounted) if unaccounted else ()),
            *(_incidents(ids) if counted.incidents else ()),
            *_repairs(broken),
            *(need for need in noticed if need.tone == "bad"),
            *_failures(failures),
            *(need for need in noticed if need.tone != "bad"),
            *_waiting(waiting),
            *_budgets(waiting),
            *(_drafts(to_check) if to_check and current_person().can(Role.OPERATOR) else ()),
        ],
        current_app.extensions["machinery"].not_working(),
        unaccounted,
    )


def _unaccounted(count: int) -> Iterator[Need]:
    have = "has" if count == 1 else "have"
    title = f"{plural(count, 'planned time or event', 'planned times or events')} of the last day {have} no run yet"
    if current_person().may_open("system.health"):
        yield Need("bad", "heartbeat", title, "", "System health", url_for("system.health"))
    else:
        yield Need("bad", "heartbeat", title, "Tell an owner: System health says why.")


def _incidents(broken: Collection[int]) -> Iterator[Need]:
    """Those of rules that need repair are left out: the rule itself is named."""
    places = {f"rule-{id}" for id in broken}
    lines = open_lines(INCIDENTS + 1 + len(places))
    lines = [line for line in lines if line.row.fault != "needs_repair" or line.row.place not in places]
    for line in lines[:INCIDENTS]:
        page = url_for("automation.incident", id=line.row.id)
        text = f"{plural(line.extent.count, 'failure')}. {line.advice}"
        yield Need("bad", "alert-circle", line.title, text, "Open the incident", page)
    if len(lines) > INCIDENTS:
        yield _more("All open incidents", url_for("automation.incidents", status="open"))


def _repairs(broken: Sequence[tuple[ListedRule, Errors]]) -> Iterator[Need]:
    for rule, errors in broken[:REPAIRS]:
        page = url_for("automation.rule", id=rule.id)
        yield Need(
            "bad", "alert-circle", f"“{rule.name}” needs repair", fault_text(errors), "Open the rule", page
        )
    if len(broken) > REPAIRS:
        yield _more("All rules that are on", url_for("automation.rules", state="on"))


def _failures(runs: Sequence[ListedRun]) -> Iterator[Need]:
    for run in runs[:FAILURES]:
        said = f"{run.error_message or REASONS.get(run.reason or '', '')} {advice(run)}"
        yield Need("bad", "circle-x", run.rule_name, said.strip(), run=run)
    if len(runs) > FAILURES:
        yield _more("All failed runs", url_for("automation.history", status=Status.FAILED, since="7"))


def _more(label: str, url: str) -> Need:
    return Need("more", "arrow-right", "", action=label, url=url)


def _from_notices(counted: Glance) -> list[Need]:
    """Rows that break invariants (for owners), rules that did not start in time, and credits that run short."""
    person = current_person()
    if not person.sees_all:
        return []
    found = notices_by_key(db.session(), person.account.id, NOTICES) if counted.has_notices else {}
    unread = {key: notice for key, notice in found.items() if notice.read_at is None}
    needs = []
    if person.can(Role.OWNER) and (books := unread.get(NOTICE_KEY)):
        needs.append(_noticed(books, "bad", "shield", "System health", url_for("system.health")))
    if late := unread.get(LATE):
        page = url_for("automation.history", status="pending")
        needs.append(_noticed(late, "bad", "clock", "See what waits", page))
    # Runs that wait for credits say so themselves.
    if person.account.credits_available <= 0 and not counted.waiting.get(Waiting.CREDITS):
        needs.append(_empty_balance())
    elif short := found.get(RUN_OUT) or unread.get(LOW):
        needs.append(_about_credits(short.title, ""))
    return needs


def _empty_balance() -> Need:
    account = current_person().account
    grant_on = next_grant_on(account.timezone, datetime.now(UTC)) if account.plan_id else None
    return _about_credits("No credits are left for new runs", nothing_left(grant_on))


def _about_credits(title: str, text: str) -> Need:
    page = url_for("billing.credits")
    return Need("warn", "coins", title, text, "See what uses them, and try what helps", page)


def _noticed(notice: Notice, tone: str, icon: str, action: str, url: str) -> Need:
    return Need(tone, icon, notice.title, notice.body, action, url)


def _waiting(waiting: Mapping[str, int]) -> list[Need]:
    needs = []
    if count := waiting.get(Waiting.CREDITS):
        free = credits(current_person().account.credits_available)
        needs.append(
            Need(
                "warn",
                "coins",
                f"{plural(count, 'run waits', 'runs wait')} for credits",
                f"They start by themselves as soon as there are enough. {free} free now.",
                *(("See what uses credits", url_for("billing.credits")) if current_person().sees_all else ()),
            )
        )
    if count := waiting.get(Waiting.PERSON):
        needs.append(
            Need(
                "warn",
                "user",
                f"{plural(count, 'run waits', 'runs wait')} for an answer",
                "Somebody is asked before they go on.",
                "Look at them",
                url_for("automation.my_work", list="asked")
                if current_person().can(Role.OPERATOR)
                else url_for("automation.history", status="pending"),
            )
        )
    if count := waiting.get(Waiting.REVIEW):
        needs.append(
            Need(
                "warn",
                "user",
                "A long chain of runs waits for a person",
                f"{plural(count, 'run')} came from one start.",
                "Look at them",
                url_for("automation.history", status="pending"),
            )
        )
    return needs


def _budgets(waiting: Mapping[str, int]) -> Iterator[Need]:
    if not waiting.get(Waiting.BUDGET):
        return
    found = waiting_budgets(db.session(), current_person().scope)
    for run, count in found[:BUDGETS]:
        name, until = budget_of(run)
        title = f"{plural(count, 'run waits', 'runs wait')} for {name}"
        yield Need(
            "warn", "coins", title, f"Until {until}, or until somebody raises it." if until else "", run=run
        )
    if len(found) > BUDGETS:
        yield _more("All runs that wait", url_for("automation.history", status=Status.PENDING))


def _drafts(count: int) -> Iterator[Need]:
    yield Need(
        "info",
        "file-text",
        f"{plural(count, 'article waits', 'articles wait')} for a check",
        "Approve or send back: nothing is published before."
        if count < 1000
        else f"{number(count)} are more than one person reads: narrow the rules that write them.",
        "Open my work",
        url_for("automation.my_work"),
    )
