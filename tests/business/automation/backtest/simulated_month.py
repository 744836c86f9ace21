"""A month of people and rules with the real engine, compared with its replay."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.backtest.back_test import open_replay
from app.business.automation.services.backtest.replay import ReplayDecision
from app.business.automation.services.backtest.trial import make_trial
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.triggering import planning
from app.business.billing.services.replenishment import grant_month
from app.business.events import EventType, Origin
from app.business.planner.models import Idea, IdeaStatus, Keyword, KeywordStatus, Sector
from app.business.planner.services.idea_service import decide_ideas
from app.business.planner.services.keyword_service import insert_keywords, new_keyword, update_keyword
from app.business.planner.services.record_changes import KEYWORD, report
from tests.business.automation.machine import Machine

ZONE = ZoneInfo("Europe/Warsaw")
EVERY_DAY, WORKING_DAYS, TWICE_A_WEEK = range(1, 8), range(1, 6), (2, 4)
MOMENTS = (
    (0, 0, EVERY_DAY),
    (8, 0, TWICE_A_WEEK),
    (9, 0, WORKING_DAYS),
    (9, 40, EVERY_DAY),
    (13, 40, TWICE_A_WEEK),
)
"""When the rules under test are planned: hour, minute, weekdays."""
WORDS = ("running shoes", "coffee grinder", "rain jacket", "travel mug", "tent pole", "head lamp")
KINDS = ("best", "cheap", "light", "women", "men", "kids", "review", "repair", "sale", "brand")


@dataclass(frozen=True, order=True)
class Line:
    """The outcome of one run, or of the records of a batch that did not match (`count`)."""

    on: date
    at: datetime | None
    site: int
    batch: int
    part: int
    verdict: str
    records: tuple[int, ...]
    count: int


class LivedMonth:
    """Days of an account: each morning keywords come, ideas are decided, older keywords are edited."""

    def __init__(self, machine: Machine, account: Account, sectors: list[Sector], days: int) -> None:
        self.machine, self.account, self.sectors, self.days = machine, account, sectors, days
        self.random = Random(7)
        self.number = 0
        self.begins_at = datetime.combine(
            machine.now.astimezone(ZONE).date() - timedelta(days=days), time(), ZONE
        )
        self.ends_at = self.begins_at + timedelta(days=days) - timedelta(minutes=1)

    def live(self) -> None:
        """Simulate the days."""
        first = self.begins_at.astimezone(ZONE).date()
        for number in range(self.days):
            day = first + timedelta(days=number)
            for hour, minute, weekdays in MOMENTS:
                if day.isoweekday() in weekdays:
                    at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)
                    self.machine.now = at.astimezone(UTC)
                    self._pass(hour, minute)
        self.machine.now = self.ends_at

    def _pass(self, hour: int, minute: int) -> None:
        grant_month(self.machine.session, self.account.id, self.machine.now)
        if (hour, minute) == (9, 40):
            self._decide()
            self._edit()
            self._add()
        if hour == 13:
            self._change_their_minds()
        self.machine.session.commit()
        planning.plan(self.machine.transaction, self.machine.now)
        self.machine.settle()

    def _add(self) -> None:
        """On each day one site gets some."""
        origin, now = Origin(self.account.id), self.machine.now
        sector = self.sectors[now.day % len(self.sectors)]
        added = insert_keywords(self.machine.session, self._new(sector))
        report(self.machine.session, EventType.KEYWORD_ADDED, KEYWORD, added, origin, now)

    def _edit(self) -> None:
        """Keywords that came on earlier days: an edit writes no event."""
        ids = self._ids(Keyword, KeywordStatus.NEW)
        for keyword_id in self.random.sample(ids, min(2, len(ids))):
            keyword = self.machine.session.get_one(Keyword, keyword_id)
            changes = {"volume": self.random.randrange(400)}
            update_keyword(
                self.machine.session, keyword, changes, origin=Origin(self.account.id), now=self.machine.now
            )

    def _decide(self) -> None:
        self._move(self._ids(Idea, IdeaStatus.NEW)[:3], IdeaStatus.ACCEPTED)
        self._move(self._ids(Idea, IdeaStatus.NEW)[:1], IdeaStatus.REJECTED)

    def _change_their_minds(self) -> None:
        """Some of the accepted ideas still wait for a run of tomorrow."""
        self._move(self._ids(Idea, IdeaStatus.ACCEPTED)[-1:], IdeaStatus.REJECTED)

    def _move(self, ids: list[int], status: str) -> None:
        decide_ideas(self.machine.session, ids, status, origin=Origin(self.account.id), now=self.machine.now)

    def _ids(self, model: Any, status: str) -> list[int]:
        return list(
            self.machine.session.scalars(select(model.id).where(model.status == status).order_by(model.id))
        )

    def _new(self, sector: Sector) -> list[dict[str, Any]]:
        rows = []
        for _ in range(self.random.randrange(1, 5)):
            self.number += 1
            text = f"{self.random.choice(KINDS)} {self.random.choice(WORDS)} {self.number}"
            figures = {"volume": self.random.randrange(400), "difficulty": float(self.random.randrange(100))}
            rows.append(new_keyword(sector, text, figures, Origin(self.account.id), self.machine.now))
        return rows

    def really(self, rule: AutomationRule) -> list[Line]:
        """What the engine did with this rule, in order."""
        runs = select(ScheduledTask).where(
            ScheduledTask.automation_rule_id == rule.id, ScheduledTask.scheduled_at <= self.ends_at
        )
        return sorted(
            _line_of(run)
            for run in self.machine.session.scalars(runs.options(selectinload(ScheduledTask.detail)))
        )

    def decisions(self, rule: AutomationRule) -> list[ReplayDecision]:
        """All decisions of a replay of the rule as it is saved, over the month."""
        trial = make_trial(
            self.machine.transaction,
            account_id=self.account.id,
            rule_id=rule.id,
            definition=definition_from(definition_of(rule)),
            start=self.begins_at,
            until=self.ends_at,
        )
        _, replay = open_replay(trial, self.machine.transaction, lambda _number: None)
        return [decision for _, decisions in replay.steps() for decision in decisions]


def lines_of(decisions: list[ReplayDecision]) -> list[Line]:
    """Decisions in the form of `LivedMonth.really`."""
    return sorted(_line_of_decision(decision) for decision in decisions)


def _line_of(run: ScheduledTask) -> Line:
    waits = run.status == Status.PENDING
    verdict = "runs" if run.status == Status.COMPLETED else "waits" if waits else f"{run.status} {run.reason}"
    planned = run.cause == "schedule"
    on = (run.started_at or run.finished_at or run.scheduled_at).astimezone(ZONE).date()
    return Line(
        date.max if waits else on,
        run.scheduled_at if planned else None,
        run.split_site_id,
        run.batch_id or 0,
        run.part or 0,
        verdict,
        tuple(run.detail.records or ()) if run.status == Status.COMPLETED else (),
        run.count or 0,
    )


def _line_of_decision(decision: ReplayDecision) -> Line:
    opened = decision.opened
    verdict = "waits" if decision.is_waiting else "runs" if decision.runs else f"skipped {decision.reason}"
    planned = opened.batch_id is None
    return Line(
        date.max if decision.is_waiting else decision.at.astimezone(ZONE).date(),
        opened.at if planned else None,
        opened.site_id,
        0 if opened.follows else opened.batch_id or 0,
        opened.part or 0,
        verdict,
        tuple(decision.records),
        decision.count,
    )
