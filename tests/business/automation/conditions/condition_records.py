"""Records with every kind of edge-case value."""

from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from random import Random
from typing import Any

from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.folding import fold, without_invisible
from app.business.planner.services.plain_text import keyword_text
from tests import factories

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TEXTS = [
    "",
    " ",
    "a",
    "A",
    "ab",
    "Ab",
    "abc def",
    "Red shoes",
    "red-shoes!",
    "running red  shoes",
    "straße",
    "STRASSE",
    "ẞ",
    "ÄÖÜ",
    "äöü",
    "ΣΊΣΥΦΟΣ",
    "σίσυφος",
    "İstanbul",
    "ıstanbul",
    "co\u00adop",
    "COOP",
    "\u200b\u200e",
    "\ufeffred Shoes",
    "i̇stanbul",
    "ISTANBUL",
    "ǅ",
    "ǆ",
    "𐐀𐐨",
    "😀 shoe",
    "%",
    "_",
    "a%b",
    "\\",
    "'",
    '"',
    "a\nb",
    "\u00a0x\u2003y",
    "ﬀ",
    "\u212a",
    "k",
    "null",
    "0",
    "true",
    "\ufeffa",
    "\U0010ffff",
    "\ue000",
    "a\u0301",
    "á",
    "men's shoes",
    "«shoes»",
    "日本、語",
    "ᾈ",
    "ᾀ",
    "Ꭰ",
    "ꭰ",
    "[]",
    '["a"]',
]
LABELS: list[list[str]] = [
    [],
    ["a"],
    ["A", "b"],
    ["", "ΣΊΣΥΦΟΣ"],
    ["\u212a", "a%b", "😀 shoe"],
    ["null", "\\", '"'],
]
WHOLE = [0, 1, 2, 3, 499, 500, 501, 2147483647]
REAL = [0.0, -0.0, 0.1, 1.0, 29.999999999999996, 30.0, 99.9, 500.0, 1e308, -1e308, 2.5e-308]
INSTANTS = [
    NOW,
    NOW - timedelta(days=7),
    NOW - timedelta(days=7, microseconds=1),
    NOW - timedelta(hours=12) + timedelta(microseconds=1),
    NOW + timedelta(days=1),
    datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(9000, 1, 1, tzinfo=UTC),
]
DAYS = [date(2026, 11, 24), date(2026, 11, 17), date(2026, 11, 16), date(2026, 11, 25), date(1970, 1, 1)]


def a_pipeline(session: Session, now: datetime, seed: int = 1) -> tuple[int, int]:
    """Records of every type with missing, empty and extreme values; returns account and rule."""
    pick = Random(seed).choice
    account = factories.make_account(session, credits=137)
    user = factories.make_user(session, account, email="Änne@Example.com")
    sectors = [
        factories.make_sector(
            session, factories.make_site(session, account, name=name, language=language), name=name
        )
        for name, language in (("Red shoes", "en"), ("ÄÖÜ", "de"), ("a", ""))
    ]
    shared = _shared(pick, user.id)
    places = cycle(sectors)
    clusters = [
        factories.make_cluster(
            session, next(places), **shared(), name=pick(TEXTS), main_intent=pick(INTENTS), status=status
        )
        for status in ("new", "planned", "done", "new")
    ]
    _keywords(session, pick, shared, places, clusters)
    ideas = _records(
        session, factories.make_idea, pick, shared, places, cluster_id=clusters, status=("new", "used")
    )
    tasks = _records(
        session,
        factories.make_task,
        pick,
        shared,
        places,
        idea_id=ideas,
        status=("draft", "done"),
        due_on=[None, *DAYS],
        word_count=WHOLE[1:],
    )
    _records(
        session,
        factories.make_content,
        pick,
        shared,
        places,
        task_id=tasks,
        status=("draft", "published"),
        outline=(True, False),
        published_at=[None, *INSTANTS],
        word_count=WHOLE,
    )
    return account.id, _rule(session, account.id, now)


INTENTS = [None, "informational", "commercial"]


def _shared(pick: Any, user_id: int) -> Any:
    return lambda: {
        "labels": pick(LABELS),
        "note": pick(TEXTS),
        "assignee_id": pick([None, user_id]),
        "made_by_run_id": pick([None, 1, 500]),
        "status_since": pick(INSTANTS),
        "created_at": pick(INSTANTS),
    }


def _keywords(session: Session, pick: Any, shared: Any, places: Any, clusters: list[Any]) -> None:
    stored = [keyword_text(text) for text in TEXTS if without_invisible(text).strip()]
    for text in {fold(text): text for text in stored}.values():
        factories.make_keyword(
            session,
            next(places),
            **shared(),
            text=text,
            volume=pick([None, *WHOLE]),
            difficulty=pick([None, *REAL]),
            cpc=pick([None, *REAL]),
            intent=pick(INTENTS),
            language=pick(["", "en", "de"]),
            country=pick(TEXTS),
            status=pick(["new", "clustered"]),
            clicks=pick([None, 0, 500]),
            cluster_id=pick([None, *(cluster.id for cluster in clusters)]),
        )


def _records(session: Session, make: Any, pick: Any, shared: Any, places: Any, **values: Any) -> list[Any]:
    def drawn(options: Any) -> Any:
        value = pick([None, *options[:-1]] if hasattr(options[0], "id") else options)
        return getattr(value, "id", value)

    return [
        make(
            session,
            next(places),
            **shared(),
            title=pick(TEXTS),
            main_keyword=pick(TEXTS),
            **{name: drawn(options) for name, options in values.items()},
        )
        for _ in range(12)
    ]


def _rule(session: Session, account_id: int, now: datetime) -> int:
    rule = AutomationRule(
        account_id=account_id, name="A rule", trigger="schedule", created_at=now, updated_at=now
    )
    session.add(rule)
    session.flush()
    session.add_all(
        RuleRecord(
            account_id=account_id,
            rule_id=rule.id,
            record_type=record_type,
            record_id=number,
            state="handled",
            run_id=1,
            handled_at=at,
            updated_at=now,
        )
        for record_type in RECORD_TYPES
        for number, at in enumerate([*INSTANTS[:4], None], 1)
    )
    session.flush()
    return rule.id
