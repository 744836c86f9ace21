"""REST: how long the credits last, and which rules will use them."""

from datetime import UTC, date, datetime
from typing import Annotated

from flask import Response
from pydantic import ConfigDict, Field

from app.business.automation.services.forecast.outlook import Outlook, look_ahead
from app.business.automation.services.forecast.projection import SPAN, Forecast, Point
from app.business.automation.services.forecast.streams import PaidRule
from app.infrastructure.database import db
from app.modules.access import VIEWER_OF_ALL, current_person
from app.modules.api.models import ApiModel
from app.modules.api.records import ListOf, RowId
from app.modules.api.resource import BadQuery, Query, report
from app.modules.billing.api import api
from app.modules.billing.outlook_page import FACTORS, factors_of

MOST_DAYS = 90
MOST_TRIED = 50
Tried = Annotated[list[RowId], Field(max_length=MOST_TRIED), ListOf]


class ForecastQuery(Query):
    """`days` ahead, today included. The others try changes, which nothing saves: ids of rules that would be off, on, or
    use half or twice as much."""

    days: int = Field(SPAN, ge=1, le=MOST_DAYS)
    off: Tried = Field(default_factory=list)
    on: Tried = Field(default_factory=list)
    half: Tried = Field(default_factory=list)
    double: Tried = Field(default_factory=list)


class DayAhead(ApiModel):
    """Credits at the end of a day: the likely number, and the range around it."""

    date: date
    likely: int
    low: int
    high: int


class RuleAhead(ApiModel):
    """A rule that costs credits. `credits`: what it uses in these days · `share`: of what all use, 0 to 1, null where
    nothing is used · `used_lately`: credits of the last 28 days, of `runs` runs."""

    automation_rule: int
    rule_name: str
    is_active: bool
    credits: int
    share: float | None
    used_lately: int
    runs: int


class ForecastShown(ApiModel):
    """How credits go on. Days are those of the `timezone` · `to`: the last day that the forecast reaches, at least the
    eve of the grant after the next one · `credits`: what all use in these days, `by_hand` of it without a rule.

    `credits_end_on`: the likely day, and the range; null if that is not in sight · `left_at_grant`: credits on the eve
    of the next grant. `days` are in order, the first one is the rest of today; the `rules` that use most come first.
    """

    model_config = ConfigDict(populate_by_name=True)

    timezone: str
    from_day: date = Field(alias="from")
    to_day: date = Field(alias="to")
    available: int
    credits: int
    by_hand: int
    credits_end_on: date | None
    earliest_end: date | None
    latest_end: date | None
    next_grant_on: date | None
    left_at_grant: DayAhead | None
    days: list[DayAhead]
    rules: list[RuleAhead]


@api.call("GET", "/forecast/", VIEWER_OF_ALL, answers={200: ForecastShown})
def show_forecast(query: ForecastQuery) -> Response:
    """How long the credits last, day by day, and how much of them each rule will use."""
    account, session, now = current_person().account, db.session(), datetime.now(UTC)
    outlook = look_ahead(session, account, now, tried=query.on, span=query.days)
    forecast = outlook.forecast(factors_of(outlook, _tried(query)))
    left = forecast.left_at_grant
    return report(
        ForecastShown(
            timezone=account.timezone,
            from_day=outlook.coming.dates[0],
            to_day=outlook.coming.dates[-1],
            available=outlook.funds.available,
            credits=round(forecast.used),
            by_hand=round(forecast.uses.get(None, 0)),
            credits_end_on=forecast.runs_out,
            earliest_end=forecast.earliest,
            latest_end=forecast.latest,
            next_grant_on=forecast.next_grant_on,
            left_at_grant=_day(left) if left else None,
            days=[_day(point) for point in forecast.points[: query.days]],
            rules=_rules(outlook, forecast),
        )
    )


def _tried(query: ForecastQuery) -> dict[int, str]:
    """The word of each rule. Raises BadQuery for a rule with two of them."""
    found: dict[int, str] = {}
    for word in FACTORS:
        for rule_id in getattr(query, word):
            if found.setdefault(rule_id, word) != word:
                raise BadQuery(
                    {word: [f"Rule {rule_id} is in “{found[rule_id]}” too. Try one change of it."]}
                )
    return found


def _rules(outlook: Outlook, forecast: Forecast) -> list[RuleAhead]:
    shown = [_rule(entry, forecast) for entry in outlook.rules]
    return sorted(shown, key=lambda rule: (-rule.credits, rule.automation_rule))


def _rule(entry: PaidRule, forecast: Forecast) -> RuleAhead:
    share = forecast.share(entry.rule.id)
    return RuleAhead(
        automation_rule=entry.rule.id,
        rule_name=entry.rule.name,
        is_active=entry.rule.definition.is_active,
        credits=round(forecast.uses[entry.rule.id]),
        share=None if share is None else round(share, 4),
        used_lately=entry.used,
        runs=entry.runs,
    )


def _day(point: Point) -> DayAhead:
    return DayAhead(date=point.on, likely=round(point.likely), low=round(point.low), high=round(point.high))
