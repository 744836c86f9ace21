"""Which time zones may be chosen, and the error for a wrong name."""

import pytest

from app.business.errors import Invalid
from app.business.time_zones import check_time_zone, time_zones


def test_every_listed_zone_is_allowed() -> None:
    assert len(time_zones()) > 500
    assert all(check_time_zone(name).key == name for name in time_zones())


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("utc", "UTC"),
        ("GMT+5", "Asia/Karachi"),
        ("UTC-8", "America/Los_Angeles"),
        ("+05:30", "Asia/Kolkata"),
        ("EST", "America/New_York or Etc/GMT+5"),
        ("pst", "America/Los_Angeles"),
        ("Europe/Warszawa", "Europe/Warsaw"),
        ("new york", "America/New_York"),
        ("Tokio", "Asia/Tokyo"),
        ("Copenhagn", "Europe/Copenhagen"),
        ("America", "America/"),
    ],
)
def test_a_near_miss_is_answered_with_a_similar_zone(name: str, offered: str) -> None:
    with pytest.raises(Invalid, match=f"Unknown time zone '.+'; did you mean {offered.replace('+', '.')}"):
        check_time_zone(name)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a\0b", "x" * 5000, "Factory", "localtime", "posix/UTC", None, 5]
)
def test_anything_else_is_refused_without_touching_a_file(name: object) -> None:
    with pytest.raises(Invalid, match=r"Unknown time zone.*Choose one such as Europe/Warsaw"):
        check_time_zone(name)
