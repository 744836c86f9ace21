"""W4: verdicts of a condition of five leaves, plain and with their trace, beside zen-engine. No database takes part."""

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from app.business.automation.services.conditions.compiled import compile_node, compile_trace
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.parser import parse_conditions
from tests.bench import references
from tests.bench.table import Line

CONDITIONS = {
    "all": [
        {"field": "volume", "operator": "gte", "value": 500},
        {"field": "status", "operator": "eq", "value": "new"},
        {
            "any": [
                {"field": "difficulty", "operator": "lt", "value": 40},
                {
                    "all": [
                        {"field": "intent", "operator": "eq", "value": "commercial"},
                        {"field": "text", "operator": "contains", "value": "lamp"},
                    ]
                },
            ]
        },
    ]
}
EXPRESSION = (
    'volume >= 500 and status == "new" and '
    '(difficulty < 40 or (intent == "commercial" and contains(text, "lamp")))'
)
RECORDS, ROUNDS = 2_000, 9
TO_ZEN, TO_PLAIN = 1 / 5, 1 / 0.3
MOST_COMPILED, MOST_OF_A_THOUSAND = 150.0, 0.5
"""Microseconds to compile a condition, and for each of a thousand rules that one event is compared with."""


def lines(engine: Engine, *, may_install: bool = True) -> Iterator[Line]:
    if engine.dialect.name != "sqlite":
        return
    records, now = _records(), datetime.now(UTC)
    node = parse_conditions(CONDITIONS, record_type="keyword")
    facts = [Facts(one, now=now, today=now.date()) for one in records]
    plain, traced = (_each(compiled, facts) for compiled in (compile_node(node), compile_trace(node)))
    with TemporaryDirectory(prefix="igny8-bench-") as folder:
        file = Path(folder, "facts.json")
        file.write_text(json.dumps({"expression": EXPRESSION, "facts": records}))
        zen = references.measured("zen_conditions.py", file, may_install=may_install)
    yield Line("verdict of five leaves, to zen-engine", plain, zen and zen * 1e6, "us", TO_ZEN)
    yield Line("the same with its trace, to plain", traced, plain, "us", TO_PLAIN)
    compiling = _each(
        lambda _: compile_node(parse_conditions(CONDITIONS, record_type="keyword")), facts[:200]
    )
    yield Line("compile a condition", compiling, MOST_COMPILED, "us", 1)
    rules = [compile_node(parse_conditions(CONDITIONS, record_type="keyword")) for _ in range(1000)]
    event = facts[0]
    yield Line(
        "compare an event with one of 1,000 rules",
        _each(lambda check: check(event), rules),
        MOST_OF_A_THOUSAND,
        "us",
        1,
    )


def _records() -> list[dict[str, int | str]]:
    rng = random.Random(1)
    return [
        {
            "volume": int(rng.paretovariate(1) * 300),
            "status": rng.choice(("new", "clustered")),
            "difficulty": rng.randrange(100),
            "intent": rng.choice(("commercial", "informational")),
            "text": f"{rng.choice(('desk', 'floor', 'garden'))} {rng.choice(('lamp', 'chair'))} {number}",
        }
        for number in range(RECORDS)
    ]


def _each(work: Callable[..., object], many: list[object]) -> float:
    """Microseconds of CPU for each of them; the median of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for one in many:
            work(one)
        taken.append(time.process_time() - begun)
    return sorted(taken)[ROUNDS // 2] / len(many) * 1e6
