"""Quotas of each key and each person. Every answer has the rest as RateLimit fields (IETF draft).

Counted in the queue server, where all web processes see it, and in memory while that is down.
"""

import math
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request
from flask_limiter.util import get_remote_address
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, Storage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError
from werkzeug.exceptions import TooManyRequests

from app.business.accounts.models import ApiKey
from app.business.accounts.services.api_keys import MOST_CHANGES, MOST_REQUESTS
from app.modules.throttle import limiter

MINUTE, HOUR = 60, 3600
SPANS = {MINUTE: "a minute", HOUR: "an hour"}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
AWAY_SECONDS = 5.0
"""Seconds without a try after the queue server did not answer."""
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Quota:
    """`amount` in so many seconds."""

    name: str
    amount: int
    seconds: int

    @property
    def words(self) -> str:
        span = SPANS.get(self.seconds) or f"in {self.seconds // MINUTE} minutes"
        return f"There may be {self.amount:,} {self.name} {span}."


REQUESTS = Quota("requests", MOST_REQUESTS, MINUTE)
CHANGES = Quota("changes", MOST_CHANGES, MINUTE)
"""Everything that is not a mere read: also executing, testing and previewing rules."""
INCOMING = Quota("incoming messages", 600, MINUTE)
"""Of one account."""
IMPORTS = Quota("imports", 60, HOUR)
EXPORTS = Quota("exports", 60, HOUR)
DESCRIPTIONS = Quota("descriptions of rules", 60, HOUR)
AI_TESTS = Quota("tests of the AI service", 60, HOUR)
SITE_TESTS = Quota("tests of WordPress connections", 60, HOUR)
WEBHOOK_TESTS = Quota("tests of webhooks", 60, HOUR)
BACK_TESTS = Quota("back-tests", 60, HOUR)
WRONG_KEYS = Quota("wrong keys", 30, 15 * MINUTE)
"""From one address. A right key is accepted whatever others from there have tried."""


@dataclass(frozen=True)
class QuotaUse:
    """What is left of a quota, and when it is reset."""

    quota: Quota
    left: int
    seconds: int

    @property
    def is_over(self) -> bool:
        """Whether this request exceeds the quota."""
        return self.left < 0


class Counts:
    """Uses by name and caller."""

    def __init__(self) -> None:
        self.away_until = 0.0

    @cached_property
    def own(self) -> Storage:
        """The counter of this process alone; created when first needed, because it starts a thread."""
        return MemoryStorage()

    def spend(self, quota: Quota, who: str) -> QuotaUse:
        if time.monotonic() >= self.away_until and limiter.storage:
            try:
                return _spend(limiter.storage, quota, who)
            except RedisError:
                self.away_until = time.monotonic() + AWAY_SECONDS
        return _spend(self.own, quota, who)


counts = Counts()


def _spend(storage: Storage, quota: Quota, who: str) -> QuotaUse:
    now, key = time.time(), f"igny8-limits/{quota.name}/{who}"
    if quota.seconds <= MINUTE:
        # One number for each minute of the clock: a single query, however many requests there are.
        window, begun = divmod(now, quota.seconds)
        used = storage.incr(f"{key}/{int(window)}", quota.seconds)
        return QuotaUse(quota, quota.amount - used, math.ceil(quota.seconds - begun))
    moving, item = MovingWindowRateLimiter(storage), RateLimitItemPerSecond(quota.amount, quota.seconds)
    may, stats = moving.hit(item, key), moving.get_window_stats(item, key)
    return QuotaUse(quota, stats.remaining if may else -1, max(1, math.ceil(stats.reset_time - now)))


def limited(quota: Quota, methods: Collection[str] = ()) -> Callable[[View], View]:
    """Decorator of a view: each request, or each with one of `methods`, also counts against `quota`."""

    def declare(view: View) -> View:
        view.quota = (quota, methods)  # type: ignore[attr-defined]
        return view

    return declare


def init_quotas(app: Flask) -> None:
    """Count every request of a known caller; call it after access is guarded."""
    app.before_request(_count)
    app.after_request(_add_headers)


def count_wrong_key() -> None:
    """Count a wrong API key against its address. Raises TooManyRequests after too many."""
    g.spent = [counts.spend(WRONG_KEYS, get_remote_address())]
    _refuse_what_is_over()


def _count() -> None:
    g.spent = []
    person = g.get("person")
    if person is None or not current_app.config.get("RATELIMIT_ENABLED", True):
        return
    who = f"key-{person.key.id}" if person.key else f"user-{person.user.id}"
    g.spent = [counts.spend(quota, who) for quota in _quotas(person.key)]
    _refuse_what_is_over()


def _refuse_what_is_over() -> None:
    if over := [spent for spent in g.spent if spent.is_over]:
        longest = max(over, key=lambda spent: spent.seconds)
        raise TooManyRequests(longest.quota.words, retry_after=longest.seconds)


def _quotas(key: ApiKey | None) -> list[Quota]:
    quotas = [_limited(REQUESTS, key.requests_per_minute if key else None)]
    if request.method not in SAFE_METHODS:
        quotas.append(_limited(CHANGES, key.changes_per_minute if key else None))
    own, methods = getattr(current_app.view_functions.get(request.endpoint or ""), "quota", (None, ()))
    return [*quotas, own] if own and (not methods or request.method in methods) else quotas


def _limited(quota: Quota, of_key: int | None) -> Quota:
    return replace(quota, amount=min(quota.amount, of_key)) if of_key else quota


def _add_headers(response: Response) -> Response:
    spent = [*g.get("spent", ())]
    with suppress(RedisError):
        spent += _throttles()
    if spent:
        policies = (f'"{part.quota.name}";q={part.quota.amount};w={part.quota.seconds}' for part in spent)
        left = (f'"{part.quota.name}";r={max(0, part.left)};t={part.seconds}' for part in spent)
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        response.headers["RateLimit"] = ", ".join(left)
    return response


def _throttles() -> list[QuotaUse]:
    """The throttles of signing in and of passwords, where the request came under one."""
    return [
        QuotaUse(
            Quota("tries", passed.limit.amount, passed.limit.get_expiry()),
            passed.remaining,
            max(1, math.ceil(passed.reset_at - time.time())),
        )
        for passed in limiter.current_limits[:1]
    ]
