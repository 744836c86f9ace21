"""The minutes of a day at which a cron line is due are its due instants, also on days with a change of the clocks."""

from datetime import UTC, datetime, timedelta
from random import Random

from app.business.automation.services.schedules.calendar import due_instants, parse_schedule
from app.business.automation.services.schedules.due_minutes import due_minutes, minutes_after
from app.business.time_zones import start_of_day
from tests.sampling import times

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
]
CHANGES = [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 4, 5)]  # noqa: DTZ001
TINY = datetime.resolution
DAYS = times(full=5_000, sample=200)


def test_they_are_its_due_instants() -> None:
    dice = Random(8)
    found = 0
    for _ in range(DAYS):
        cron = f"{dice.choice(['*', '*/7', '13', '0,30'])} {dice.choice(['*', '2', '1-3', '*/5'])} * * *"
        line = {"cron": cron, "timezone": dice.choice(ZONES)}
        if dice.random() < 0.3:
            line["paused_until"] = f"2026-{dice.randint(1, 12):02}-15T0{dice.randrange(10)}:20:10+00:00"
        schedule = parse_schedule(line, shortest_interval_minutes=None)
        on, zone = dice.choice(CHANGES) + timedelta(days=dice.randint(-1, 1)), dice.choice(ZONES)
        begin, end = start_of_day(on.date(), zone), start_of_day((on + timedelta(days=1)).date(), zone)
        due = [*due_instants(schedule, begin - TINY, end - TINY)]
        minutes = due_minutes(schedule, begin, end)
        assert instants(minutes, begin) == due, (line, on, zone)
        moment = begin + timedelta(seconds=dice.randint(-100, 90_000), microseconds=dice.randrange(2))
        assert instants(minutes_after(minutes, moment, begin), begin) == [at for at in due if at > moment]
        found += len(due)
    assert found > DAYS


def instants(minutes: int, begin: datetime) -> list[datetime]:
    at = begin.astimezone(UTC)
    return [at + timedelta(minutes=number) for number in range(minutes.bit_length()) if minutes >> number & 1]
