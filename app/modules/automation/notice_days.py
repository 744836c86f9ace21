"""Notices by day, with those that say the same of different things told together."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from zoneinfo import ZoneInfo

from app.business.accounts.models import Notice

_VARIES = re.compile(r"“.*”|\d[\d,.]*")
"""What differs between the titles of alike notices: names and figures."""


@dataclass(frozen=True)
class AlikeNotices:
    """newest: told in full · earlier: of the same day, told in a line each."""

    newest: Notice
    earlier: list[Notice] = field(default_factory=list)

    @property
    def unread(self) -> int:
        return sum(notice.read_at is None for notice in (self.newest, *self.earlier))


@dataclass(frozen=True)
class NoticeDay:
    on: date
    groups: list[AlikeNotices]


def by_day(notices: Iterable[Notice], zone: ZoneInfo) -> list[NoticeDay]:
    """Days of the zone. The notices come newest first, and so do days and groups."""
    days = groupby(notices, lambda notice: notice.created_at.astimezone(zone).date())
    return [NoticeDay(on, _alike(told)) for on, told in days]


def _alike(notices: Iterable[Notice]) -> list[AlikeNotices]:
    groups: dict[tuple[str, str, str], AlikeNotices] = {}
    for notice in notices:
        key = notice.level, notice.kind, _VARIES.sub("", notice.title)
        if key in groups:
            groups[key].earlier.append(notice)
        else:
            groups[key] = AlikeNotices(notice)
    return list(groups.values())
