"""The last thirty days of Northlight Content: who did what on which day. Rules run in between by themselves."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.business.language_model import FaultKind
from app.demo.agency import give_calendar, open_agency
from app.demo.articles import approve, publish, write_out
from app.demo.past import Past
from app.demo.people import People
from app.demo.provider import Trouble

LONDON = ZoneInfo("Europe/London")
DAYS = 30
LAST_HOUR = timedelta(hours=1)
MINUTES_OF_LAST_DECISIONS = (50, 44, 37, 29, 22, 14)
DAY_OF_POWER_CUT = 17
TROUBLES: dict[int, tuple[FaultKind, int]] = {
    7: ("server_error", 24),
    10: ("refused", 1),
    13: ("rate_limited", 1),
    16: ("timeout", 24),
}
"""Working day -> how the AI service failed at six in the morning, and how many requests failed."""

Step = Callable[[], None]


def live(session: Session, now: datetime) -> None:
    """Open the account thirty days ago and simulate the time until `now`."""
    past = Past(session, now - timedelta(days=DAYS), now)
    agency = open_agency(session, past.now)
    past.account_id = agency.account.id
    people = People(session, agency, past.clock)
    people.import_site("ridgeline")
    people.make_rules()
    for at, step in _steps(past, people):
        if past.now < at < now - LAST_HOUR:
            past.advance(at)
            step()
            past.settle()
    _last_hour(past, people)
    past.advance(now)
    give_calendar(session, agency, now)


def _steps(past: Past, people: People) -> Iterator[tuple[datetime, Step]]:
    """Everything that people did, in order of time."""
    first, working_day = past.now.astimezone(LONDON).date(), 0
    for number in range(1, DAYS + 1):
        day = first + timedelta(days=number)
        if day.isoweekday() <= 5:
            working_day += 1
            yield from _working_day(past, people, day, working_day)
        if number == DAY_OF_POWER_CUT:
            yield _at(day, 20, 0), partial(past.be_offline, _at(day + timedelta(days=2), 8, 20))


def _working_day(past: Past, people: People, day: date, number: int) -> Iterator[tuple[datetime, Step]]:
    if number in TROUBLES:
        kind, times = TROUBLES[number]
        trouble = Trouble(kind, _at(day, 5, 50), _at(day, 7, 0), times)
        yield trouble.since, partial(past.model.troubles.append, trouble)
    if number == 7:
        yield _at(day, 9, 5), people.retry_failed
    yield _at(day, 9, 40), people.decide
    for hour, step in _special(people, number):
        yield _at(day, hour, 15), step
    if number % 4 == 0:
        yield _at(day, 16, 5), people.accept_one


def _special(people: People, number: int) -> list[tuple[int, Step]]:
    """What happened only on this working day, by the hour."""
    finish = people.finish
    special: dict[int, list[tuple[int, Step]]] = {
        1: [(11, partial(people.brief, "ridgeline"))],
        3: [(10, people.ignore_shops)],
        4: [(11, partial(people.import_site, "kaffeewerk")), (12, partial(people.brief, "kaffeewerk"))],
        5: [(10, people.lower_alarm), (14, partial(finish, "ridgeline", write_out))],
        6: [(10, partial(finish, "ridgeline", approve))],
        8: [(11, partial(people.import_site, "clear-ledger")), (14, partial(finish, "ridgeline", publish))],
        9: [(10, partial(people.brief, "clear-ledger"))],
        11: [(11, partial(finish, "kaffeewerk", write_out)), (12, people.top_up)],
        12: [(10, partial(finish, "kaffeewerk", approve))],
        16: [(14, partial(finish, "clear-ledger", write_out))],
        18: [(10, people.add_keywords)],
    }
    return special.get(number, [])


def _last_hour(past: Past, people: People) -> None:
    """More decisions than the daily run limit allows, and an AI service that does not answer."""
    for minutes in MINUTES_OF_LAST_DECISIONS:
        past.advance(past.ends_at - timedelta(minutes=minutes))
        people.accept_one()
        past.settle()
    past.advance(past.ends_at - timedelta(seconds=150))
    past.model.troubles.append(Trouble("timeout", past.now, past.ends_at, 3))
    people.start_draft()
    past.settle()


def _at(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), LONDON)
