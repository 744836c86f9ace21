"""The outlook on the credits page: course of the balance, rules with changes that somebody tries, budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import current_app, request, url_for
from sqlalchemy import select

from app.business.automation.services.forecast.outlook import Outlook, look_ahead
from app.business.automation.services.forecast.projection import Forecast, Point
from app.business.automation.services.forecast.streams import PaidRule
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.gate.numbers import row_id
from app.modules.web import Context

AS_NOW = ""
FACTORS = {"off": 0.0, "half": 0.5, "double": 2.0, "on": 1.0}
WHEN_ON = ((AS_NOW, "As now"), ("half", "Half as much"), ("double", "Twice as much"), ("off", "Switched off"))
WHEN_OFF = ((AS_NOW, "Off, as now"), ("on", "Switched on"))
PREFIX = "rule-"
STEP, HEIGHT, ROOM = 10, 100, 0.95


@dataclass(frozen=True)
class RuleUse:
    """One rule of the table. `coming`: credits of the next 30 days; `share`: its share of them, 0 to 1."""

    entry: PaidRule
    url: str | None
    coming: float
    share: float | None
    choice: str
    choices: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Course:
    """The chart: points of an SVG of width `width` and height 100; `top` is the height in credits."""

    width: int
    top: float
    band: str
    line: str
    before: str | None
    grants: Sequence[int]
    end: int | None


def outlook_of(now: datetime) -> Outlook:
    """What lies ahead of the person's account, with estimates of those rules that somebody tries."""
    tried = [key for key, word in _choices().items() if word == "on"]
    return look_ahead(db.session(), current_person().account, now, tried=tried)


def context(outlook: Outlook) -> Context:
    choices = _choices()
    factors = factors_of(outlook, choices)
    as_now = outlook.forecast()
    forecast = outlook.forecast(factors) if factors else as_now
    return {
        "forecast": forecast,
        "as_now": as_now if factors else None,
        "course": _course(outlook, forecast, as_now if factors else None),
        "lines": _lines(outlook, forecast, choices),
        "by_hand": forecast.uses.get(None, 0),
        "budgets": _budgets(outlook),
    }


def _choices() -> dict[int, str]:
    """The changes that somebody tries, by rule; unknown parameters are ignored."""
    return {
        rule_id: word
        for name, word in request.args.items()
        if name.startswith(PREFIX) and word in FACTORS and (rule_id := row_id(name.removeprefix(PREFIX)))
    }


def factors_of(outlook: Outlook, choices: Mapping[int, str]) -> dict[int, float]:
    """What the use of each rule is multiplied by; words that change nothing about a rule as it is are left out."""
    offered = {entry.rule.id: dict(_offered(entry)) for entry in outlook.rules}
    return {key: FACTORS[word] for key, word in choices.items() if word in offered.get(key, {})}


def _offered(entry: PaidRule) -> Sequence[tuple[str, str]]:
    return WHEN_ON if entry.rule.definition.is_active else WHEN_OFF


def _lines(outlook: Outlook, forecast: Forecast, choices: Mapping[int, str]) -> list[RuleUse]:
    """Active rules first, and of them those that will use most."""
    page = "automation.rule" if "automation.rule" in current_app.view_functions else None
    lines = [
        RuleUse(
            entry,
            url_for(page, id=entry.rule.id) if page else None,
            forecast.uses[entry.rule.id],
            forecast.share(entry.rule.id),
            choices.get(entry.rule.id, AS_NOW),
            _offered(entry),
        )
        for entry in outlook.rules
    ]
    return sorted(lines, key=lambda line: (not line.entry.rule.definition.is_active, -line.coming))


def _course(outlook: Outlook, forecast: Forecast, before: Forecast | None) -> Course:
    begin = Point(outlook.coming.dates[0], *[float(outlook.funds.available)] * 3)
    points = [begin, *forecast.points]
    others = [begin, *before.points] if before else []
    top = max([point.high for point in points] + [point.likely for point in others] + [1])
    days = list(outlook.coming.dates)
    return Course(
        width=len(days) * STEP,
        top=top,
        band=f"{_drawn([p.low for p in points], top)} {_drawn([p.high for p in points], top, back=True)}",
        line=_drawn([point.likely for point in points], top),
        before=_drawn([point.likely for point in others], top) if others else None,
        grants=[days.index(day) * STEP for day in forecast.grants_on],
        end=(days.index(forecast.runs_out) + 1) * STEP if forecast.runs_out else None,
    )


def _drawn(values: Sequence[float], top: float, *, back: bool = False) -> str:
    points = [
        f"{number * STEP},{HEIGHT - value / top * HEIGHT * ROOM:.1f}" for number, value in enumerate(values)
    ]
    return " ".join(reversed(points) if back else points)


def _budgets(outlook: Outlook) -> list[tuple[str, str, int, int]]:
    """Name, period, used and limit of every budget there is."""
    funds, names = outlook.funds, {entry.rule.id: entry.rule.name for entry in outlook.rules}
    sites = select(Site.id, Site.name).where(
        Site.account_id == current_person().account.id, Site.id.in_(funds.sites)
    )
    site_names = {row.id: row.name for row in db.session.execute(sites)} if funds.sites else {}
    caps = [("All rules together", "today", funds.ceiling)] if funds.ceiling else []
    caps += [(site_names[key], "this month", cap) for key, cap in funds.sites.items()]
    caps += [(names[key], "this month", cap) for key, cap in funds.rules.items()]
    return [(name, period, int(cap.limit - cap.left), int(cap.limit)) for name, period, cap in caps]
