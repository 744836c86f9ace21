"""Throttles: counted in the queue server, in memory while that is down."""

import math
import time

from flask import Flask, g
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.infrastructure.redis_connection import redis_url
from app.settings import Settings


def who() -> str:
    """The signed-in person or the key's creator, else the address."""
    person = g.get("person")
    return f"user-{person.user.id}" if person else get_remote_address()


ANSWER_SECONDS = 1.0
"""How long the queue server may take; then each process counts by itself."""
limiter = Limiter(key_func=who, strategy="moving-window", in_memory_fallback_enabled=True)


def init_throttle(app: Flask, settings: Settings) -> None:
    """Count in storage that all processes share."""
    address = redis_url(settings)
    app.config["RATELIMIT_STORAGE_URI"] = f"redis+{address}" if address.startswith("unix://") else address
    app.config["RATELIMIT_STORAGE_OPTIONS"] = dict.fromkeys(
        ("socket_connect_timeout", "socket_timeout"), ANSWER_SECONDS
    )
    app.config["RATELIMIT_KEY_PREFIX"] = "igny8-limits"
    limiter.init_app(app)


def seconds_to_wait() -> int:
    """Seconds until the limit that was just exceeded allows another try."""
    passed = limiter.current_limit
    if not passed:
        return 60
    # The limiter rounds the end up to whole seconds, beyond the length of its window.
    return max(1, min(passed.limit.get_expiry(), math.ceil(passed.reset_at - time.time())))
