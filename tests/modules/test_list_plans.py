"""Lists of 20,000 rows: each order, and each filter that an index serves, reads little, wherever its rows stand.

Not served by an index, because each would cost every write of a record: the filters of WALKED, and an order together
with a filter. For these the list is read in its order, or the rows of the filter are sorted, whichever the database
holds for less; a page whose rows are rare reads the list once. Lists of runs have tests of their own. Rules, sites and
sectors of an account are few.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry
from app.business.billing.models import CreditEntry
from app.business.planner.services.record_lists import CLUSTERS, IDEAS, KEYWORDS
from app.business.writer.services.record_lists import CONTENTS, TASKS
from app.modules.api.declaration import declared_calls
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.people import People, make_people, program_of
from tests.query_plans import Statement, read, selected, statistics

ROWS = 20_000
MOST_STEPS = 20_000
"""Instructions of SQLite for a page: to read all rows, or to sort them, takes more than ten times as many."""
MOST_ROWS = 500
"""Rows that PostgreSQL reads for a page."""
WALKED = {"text", "intent", "volume_from", "volume_to", "doubles", "task_type", "due_before", "outline"} | {
    "created_after",
    "created_before",
}
RARE = {
    "status": "{status}",
    "site": "{site}",
    "sector": "{sector}",
    "made_by_run": "7",
    "assignee": "{person}",
}
N = "CAST(n.i AS VARCHAR)"


@dataclass
class Rows:
    """Ids of the one old row that differs from all others, and of what it belongs to."""

    site: int = 0
    sector: int = 0
    person: int = 0
    cluster: int = 0
    idea: int = 0
    task: int = 0
    statuses: dict[str, str] = field(default_factory=dict)


LISTS = {
    "/api/planner/keywords/": ("keyword", KEYWORDS, {"cluster": "{cluster}"}),
    "/api/planner/clusters/": ("cluster", CLUSTERS, {}),
    "/api/planner/ideas/": ("idea", IDEAS, {"cluster": "{cluster}"}),
    "/api/writer/tasks/": ("task", TASKS, {"idea": "{idea}"}),
    "/api/writer/content/": ("content", CONTENTS, {"task": "{task}"}),
}  # fmt: skip
ENTRIES = {
    "/api/billing/ledger/": ("credit_entry", {"kind": "adjust"}),
    "/api/accounts/audit/": (
        "audit_entry",
        {
            "action": "rare.done",
            "subject_type": "rare",
            "subject_id": "77",
            "user": "{person}",
            "api_key": "9",
            "by_nobody": "true",
        },
    ),
}


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def api(app: Flask, session: Session, people: People) -> FlaskClient:
    return program_of(app, session, people.owner)


@pytest.fixture
def rows(session: Session, people: People) -> Rows:
    rare, common = (make_sector(session, make_site(session, people.account)) for _ in range(2))
    cluster = make_cluster(session, rare, name="old")
    idea = make_idea(session, rare, title="old", cluster_id=cluster.id)
    task = make_task(session, rare, title="old", idea_id=idea.id)
    keyword = make_keyword(session, rare, text="old", cluster_id=cluster.id)
    content = make_content(session, rare, title="old", task_id=task.id)
    kept = {
        "keyword": "ignored",
        "cluster": "done",
        "idea": "rejected",
        "task": "failed",
        "content": "review",
    }
    new = {"keyword": "new", "cluster": "new", "idea": "new", "task": "draft", "content": "draft"}
    entry = CreditEntry(
        account_id=people.account.id,
        kind="adjust",
        amount=0,
        balance_after=0,
        key="k",
        reason="",
        created_at=NOW,
    )
    audit = AuditEntry(
        account_id=people.account.id, action="rare.done", subject_type="rare", subject_id=77,
        user_id=people.editor.id, api_key_id=9, created_at=NOW,
    )  # fmt: skip
    by_itself = AuditEntry(
        account_id=people.account.id, action="site.changed", subject_type="site", created_at=NOW
    )
    session.add_all([entry, audit, by_itself])
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        # Without the checks of foreign keys, which take most of the time.
        session.execute(text("SET LOCAL session_replication_role = replica"))
    here = {"site_id": str(common.site_id), "sector_id": str(common.id)}
    for kind, row in (
        ("keyword", keyword), ("cluster", cluster), ("idea", idea), ("task", task), ("content", content),
    ):  # fmt: skip
        session.execute(
            update(type(row)).values(status=kept[kind], made_by_run_id=7, assignee_id=people.editor.id)
        )
        more = here | {"made_by_run_id": "CASE WHEN n.i % 2 = 0 THEN 8 END", "assignee_id": "NULL"}
        more |= {"status": f"'{new[kind]}'"}
        more |= {"text": f"'word ' || {N}", "text_key": f"'word ' || {N}"} if kind == "keyword" else {}
        more |= {"volume": "CASE WHEN n.i % 9 > 0 THEN n.i % 5000 END"} if kind == "keyword" else {}
        more |= {"difficulty": "CASE WHEN n.i % 9 > 0 THEN n.i % 100 END"} if kind == "keyword" else {}
        for name in ("clicks", "impressions", "position") if kind == "keyword" else ():
            more |= {name: "CASE WHEN n.i % 9 > 0 THEN n.i % 100 END"}
        more |= {"due_on": "CASE WHEN n.i % 9 = 0 THEN '2030-01-05' END"} if kind == "task" else {}
        name = {"keyword": "text", "cluster": "name"}.get(kind, "title")
        more |= {name: f"'word ' || {N}", "cluster_id": "NULL", "idea_id": "NULL", "task_id": "NULL"}
        multiply(session, row, more)
    multiply(session, entry, {"kind": "'charge'", "key": f"'k' || {N}"})
    owner = {"user_id": str(people.owner.id), "api_key_id": "CASE WHEN n.i % 2 = 0 THEN 3 END"}
    multiply(
        session,
        audit,
        owner | {"action": "'site.changed'", "subject_type": "'site'", "subject_id": "n.i % 50"},
    )
    session.commit()
    return Rows(rare.site_id, rare.id, people.editor.id, cluster.id, idea.id, task.id, kept)


NOW = datetime.now(UTC)


def multiply(session: Session, row: Any, changed: dict[str, str]) -> None:
    """20,000 later rows like this one but for these columns."""
    table = row.__table__
    names = [column.name for column in table.columns if column.name != "id"]
    typed = {
        name: f"CAST({changed[name]} AS DATE)" if name == "due_on" else changed[name] for name in changed
    }
    if session.get_bind().dialect.name == "sqlite":
        typed = changed
    values = ", ".join(typed.get(name, f"t.{name}") for name in names)
    session.execute(
        text(
            f"INSERT INTO {table.name} ({', '.join(names)}) "
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) "
            f"SELECT {values} FROM n, {table.name} t WHERE t.id = {row.id}"
        )
    )


def asked(app: Flask, rows: Rows) -> Iterator[tuple[str, str, str]]:
    """Table, address, and what of it is to read little."""
    calls = {call.path: call for call in declared_calls(app).values() if call.is_list}
    for path, (kind, listed, more) in LISTS.items():
        query = calls[path].query
        assert query is not None
        orderings = re.findall(r"'(-?\w+)'", str(query.model_fields["ordering"].annotation))
        assert len(orderings) == 2 * len(listed.orders)
        assert {*listed.filters} == {*RARE, *more} | (WALKED & {*listed.filters})
        assert {*query.model_fields} - {"sort", "ordering"} == {*listed.filters}
        known = vars(rows) | {"status": rows.statuses[kind]}
        yield from ((kind, path, f"ordering={ordering}") for ordering in orderings)
        for name, value in (RARE | more).items():
            yield kind, path, f"{name}={value.format(**known)}"
        yield kind, path, f"status={next(iter(rows.statuses.values()))}" if kind == "keyword" else ""
    for path, (table, filters) in ENTRIES.items():
        query = calls[path].query
        assert query is not None
        assert {*query.model_fields} - {"ordering", *WALKED} == {*filters}
        yield from ((table, path, f"ordering={sign}created_at") for sign in ("", "-"))
        for name, value in filters.items():
            yield table, path, f"{name}={value.format(**vars(rows))}"


@pytest.mark.both_databases
def test_each_order_and_each_filter_reads_little(
    app: Flask, session: Session, api: FlaskClient, rows: Rows
) -> None:
    app.config["RATELIMIT_ENABLED"] = False
    most = MOST_STEPS if session.get_bind().dialect.name == "sqlite" else MOST_ROWS
    asked_for: dict[tuple[str, int], Statement] = {}
    for table, path, query in asked(app, rows):
        with selected(session, partial(is_of_list, table)) as statements:
            page = api.get(f"{path}?{query}&limit=20").json
            if page["next"]:
                page = api.get(f"{path}?{query}&limit=20&cursor={page['next']}").json
        assert page["results"], (path, query)
        assert len(statements) >= 1
        asked_for |= {(f"{path}?{query}", len(asked_for) + n): said for n, said in enumerate(statements)}
    for kind in statistics(session):
        much = {name: read(session, *statement) for name, statement in asked_for.items()}
        assert {name: steps for name, steps in much.items() if steps > most} == {}, kind
    # Shows that this can fail: what no index serves.
    with selected(session, partial(is_of_list, "keyword")) as statements:
        api.get("/api/planner/keywords/?intent=navigational")
    assert read(session, *statements[0]) > most


def is_of_list(table: str, statement: str) -> bool:
    """Whether it selects from this table for a list."""
    return re.search(rf"FROM \"?{table}\"?\s", statement) is not None and "ORDER BY" in statement
