"""People limited to one site: no list, count, page, search or export contains anything of another site."""

import re
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import User
from app.business.accounts.services.notices import add_notice
from app.business.accounts.services.scope import Scope, owned
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.operations.lifecycle import begin_operation
from app.business.errors import NotFound
from app.business.planner.models import Keyword, Site
from app.modules.access import permission_of
from tests.factories import (
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.fuzz.world import fingerprint
from tests.modules.archived_rows import make_archived
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.modules.permissions import MISSING, NEEDED, address, make_rows
from tests.modules.test_permissions import (
    READING,
    calls,
    comparable,
    everybody,
    is_api,
    let_in_by_turns,
    query_of,
)
from tests.people import People, browser_of, make_people, program_of
from tests.sampling import times

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

DIFFERS_EACH_TIME = ("accounts.second_factor",)
"""Shows a new secret."""
HIDDEN = "zzhidden"
ASKING = (
    "session viewer",
    "session operator",
    "session editor",
    "session owner",
    "key operator",
    "key owner",
)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def rows(app: Flask, session: Session, people: People) -> dict[str, str]:
    """One of everything on the site that the person may see."""
    app.config["RATELIMIT_ENABLED"] = False
    rows = make_rows(app, session, people)
    for model in (AutomationRule, ScheduledTask):
        session.execute(update(model).values(site_id=int(rows["site"])))
    session.commit()
    return rows


@pytest.fixture
def limited(session: Session, people: People, rows: dict[str, str]) -> None:
    """From now on every person of the account is limited to one site, owners too."""
    mine = update(User).where(User.account_id == people.account.id)
    session.execute(mine.values(site_ids=[int(rows["site"])]))
    session.commit()


def make_others(session: Session, people: People) -> dict[str, str]:
    """Rows of another site of the account, with recognisable names."""
    site = make_site(session, people.account, name=f"{HIDDEN} site")
    sector = make_sector(session, site, name=f"{HIDDEN} sector")
    rule = make_rule(
        session, people.account, **ON_KEYWORDS | {"name": f"{HIDDEN} rule"}, schedule={}, conditions={},
        site=site.id,
    )  # fmt: skip
    late = datetime.now(UTC).date()
    cluster = make_cluster(session, sector, name=f"{HIDDEN} cluster")
    made: dict[str, Any] = {
        "site": site, "sector": sector, "rule": rule, "cluster": cluster,
        "run": make_run(session, rule, "failed", reason="action_failed", site_id=site.id),
        "keyword": make_keyword(session, sector, text=f"{HIDDEN} keyword", cluster_id=cluster.id),
        "idea": make_idea(session, sector, title=f"{HIDDEN} idea"),
        "task": make_task(session, sector, title=f"{HIDDEN} task", due_on=late),
        "content": make_content(session, sector, title=f"{HIDDEN} article"),
    }  # fmt: skip
    made["operation"] = begin_operation(
        session,
        account_id=people.account.id,
        kind="bulk_retry",
        params={"runs": []},
        user_id=None,
        sites={site.id},
        now=datetime.now(UTC),
    )
    make_run(session, rule, "pending", waiting_for="budget", site_id=site.id)
    add_notice(
        session, account_id=people.account.id, level="info", title=f"{HIDDEN} notice", body="Look.",
        now=datetime.now(UTC), rule_id=rule.id,
    )  # fmt: skip
    session.commit()
    return {kind: str(row.id) for kind, row in made.items()}


@pytest.mark.usefixtures("limited")
def test_what_is_read_is_the_same_with_and_without_archived_records_and_rows_of_another_site(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    clients = {False: browser_of(app, session, people.owner), True: program_of(app, session, people.owner)}
    asked = [
        (endpoint, address(rule, rows) + query_of(endpoint), clients[is_api(rule)])
        for endpoint, method, rule in calls(app)
        if method == "GET" and NEEDED[endpoint] != "anyone" and endpoint not in DIFFERS_EACH_TIME
    ]
    searches = ("/keywords", "/clusters", "/ideas", "/tasks", "/content", "/rules", "/api/planner/keywords/")
    asked += [(path, f"{path}?text={HIDDEN}", clients[is_api(path)]) for path in searches]
    asked.append(("/search", f"/search?q={HIDDEN}", clients[False]))
    with time_machine.travel(datetime.now(UTC), tick=False):
        clients[True].get("/api/planner/sites/")  # From now on the page of keys says that it was used.
        before = [read(client, path) for _, path, client in asked]
        make_others(session, people)
        make_archived(session, rows, HIDDEN)
        after = [read(client, path) for _, path, client in asked]
    changed = [path for (_, path, _), old, new in zip(asked, before, after, strict=True) if new != old]
    assert changed == []


@pytest.mark.usefixtures("limited")
def test_rows_of_another_site_and_missing_rows_answer_alike(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    """For the roles, by session and by key, read or written: the same 404, byte for byte, and nothing changes."""
    others = rows | make_others(session, people)
    missing = rows | {kind: MISSING[kind] for kind in others if others[kind] != rows[kind]}
    everyone = everybody(app, session, people)
    clients = {who: everyone[who] for who in ASKING}
    before, asked = fingerprint(session), 0
    for number, (endpoint, method, rule) in enumerate(calls(app)):
        if address(rule, others) == address(rule, rows):
            continue
        for who in let_in_by_turns(clients, endpoint, rule, number):
            answers = [
                clients[who][1].open(address(rule, ids), method=method, json={} if is_api(rule) else None)
                for ids in (others, missing)
            ]
            assert [answer.status_code for answer in answers] == [404, 404], (who, method, rule)
            assert comparable(answers[0]) == comparable(answers[1]), (who, method, rule)
            asked += 1
    assert asked > times(full=150, sample=80)
    assert fingerprint(session) == before


@pytest.mark.usefixtures("limited")
def test_every_write_keeps_to_the_sites_of_its_author(app: Flask, rows: dict[str, str]) -> None:
    """An address that names a row is walked above; any other belongs to the person, is refused, or is tried here."""
    own = [
        "sign_in",
        "sign_in_code",
        "sign_out",
        "passkey_sign_in",
        "passkey_options",
        "begin_passkey",
        "add_passkey",
        "switch_on_second_factor",
        "switch_off_second_factor",
        "renew_recovery_codes",
        "use_welcome",
        "save_profile",
        "save_notice_choices",
        "password",
        "end_all_sessions",
        "end_other_sessions",
        "read_notices",
        "history_columns",
        "save_filter",
        "unsubscribe",
        "receive_message",
        "take_back_decision",
    ]
    tried = {endpoint for endpoint, *_ in (*BODIES, *FORMS)} | NAMES_NO_ROW
    with app.app_context():
        free = {
            endpoint
            for endpoint, method, rule in calls(app)
            if method not in READING and address(rule, rows) == address(rule, MISSING)
            if not (needed := permission_of(endpoint)) or not needed.whole_account
        }
    assert {endpoint for endpoint in free if endpoint.partition(".")[2] not in own} <= tried


@pytest.mark.usefixtures("limited")
def test_nobody_limited_to_sites_acts_on_the_whole_account(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    before, refused = fingerprint(session), 0
    for endpoint, method, rule in calls(app):
        with app.app_context():
            needed = permission_of(endpoint)
        if needed and needed.whole_account:
            client = program if is_api(rule) else browser
            answer = client.open(address(rule, rows), method=method, json={} if is_api(rule) else None)
            assert answer.status_code == 403, (method, rule)
            refused += 1
    assert refused > 12
    assert fingerprint(session) == before


def rule_of(**changes: Any) -> dict[str, Any]:
    return ON_KEYWORDS | {"name": "New rule", "site": "own site"} | changes


def act(type: str, **params: Any) -> dict[str, Any]:
    return {"actions": [{"type": type, "params": params}]}


ABOUT_CLUSTER = {"all": [{"field": "cluster", "operator": "eq", "value": "cluster"}]}
ON_RULE = {
    "trigger": "run_finished",
    "trigger_options": {"rule_id": "rule"},
    "record_type": None,
    "conditions": {},
}
RULE, RULES = "/api/automation/rules/own rule/", "/api/automation/rules/"
CLUSTER = "/api/planner/clusters/own cluster/"
TEXT = {"text": "x"}
BODIES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("automation_api.create_rule", "POST", RULES, rule_of(site="site")),
    ("automation_api.create_rule", "POST", RULES, rule_of(sector="sector")),
    ("automation_api.create_rule", "POST", RULES, rule_of(conditions=ABOUT_CLUSTER)),
    ("automation_api.create_rule", "POST", RULES, rule_of(**act("pause_rule", rule_id="rule"))),
    ("automation_api.create_rule", "POST", RULES, rule_of(**act("resume_rule", site="site"))),
    ("automation_api.create_rule", "POST", RULES, rule_of(**ON_RULE, **act("notify", message="Look"))),
    ("automation_api.replace_rule", "PUT", RULE, rule_of(site="site")),
    ("automation_api.change_rule", "PATCH", RULE, {"site": "site"}),
    ("automation_api.change_rule", "PATCH", RULE, {"conditions": ABOUT_CLUSTER}),
    ("automation_api.change_rule", "PATCH", RULE, act("pause_rule", rule_id="rule")),
    (
        "automation_api.back_test",
        "POST",
        f"{RULE}back-test/",
        {"days": 1, "definition": rule_of(site="site")},
    ),
    (
        "automation_api.execute_rule",
        "POST",
        f"{RULE}execute/",
        {"record_ids": ["keyword"], "even_if_off": True},
    ),
    (
        "automation_api.retry_runs",
        "POST",
        "/api/automation/scheduled-tasks/retry/",
        {"automation_rule": ["rule"]},
    ),
    ("automation_api.import_rules", "POST", f"{RULES}import/", {"yaml": "site", "dry_run": False}),
    ("planner_api.create_keyword", "POST", "/api/planner/keywords/", {"site": "site"} | TEXT),
    (
        "planner_api.create_keyword",
        "POST",
        "/api/planner/keywords/",
        {"site": "own site", "sector": "sector", "text": "x"},
    ),
    ("planner_api.change_keyword", "PATCH", "/api/planner/keywords/own keyword/", {"cluster": "cluster"}),
    (
        "planner_api.set_status_of_keywords",
        "POST",
        "/api/planner/keywords/set-status/",
        {"ids": ["keyword"], "status": "ignored"},
    ),
    (
        "planner_api.set_status_of_ideas",
        "POST",
        "/api/planner/ideas/set-status/",
        {"ids": ["idea"], "status": "accepted"},
    ),
    (
        "writer_api.set_status_of_tasks",
        "POST",
        "/api/writer/tasks/set-status/",
        {"ids": ["task"], "status": "queued"},
    ),
    ("planner_api.merge_clusters", "POST", f"{CLUSTER}merge/", {"clusters": ["cluster"]}),
    ("planner_api.take_keywords", "POST", f"{CLUSTER}take-keywords/", {"keywords": ["keyword"]}),
    ("planner_api.release_keywords", "POST", f"{CLUSTER}release-keywords/", {"keywords": ["keyword"]}),
    ("planner_api.split_cluster", "POST", f"{CLUSTER}split/", {"name": "x", "keywords": ["keyword"]}),
    ("planner_api.create_sector", "POST", "/api/planner/sectors/", {"site": "site", "name": "x"}),
    ("planner_api.create_cluster", "POST", "/api/planner/clusters/", {"site": "site", "name": "x"}),
    ("planner_api.create_idea", "POST", "/api/planner/ideas/", {"cluster": "cluster", "title": "x"}),
    ("writer_api.create_task", "POST", "/api/writer/tasks/", {"idea": "idea", "title": "x"}),
    ("writer_api.create_content", "POST", "/api/writer/content/", {"task": "task", "title": "x"}),
]
"""Endpoint, method, address and body; names of rows stand for those of another site, and `own …` for own ones."""
PLACE = {"place": "site-sector"}
FORMS: list[tuple[str, str, dict[str, Any]]] = [
    ("automation.retry_all", "/history/retry?rule=rule", {"as_of": "2026-11-01T00:00:00+00:00"}),
    ("planner.new_keyword", "/keywords/new", {"text": "x"} | PLACE),
    ("planner.import_keywords", "/keywords/import", {"pasted": "keyword\nx"} | PLACE),
    ("planner.new_cluster", "/clusters/new", {"name": "x"} | PLACE),
    ("planner.new_idea", "/ideas/new?cluster=cluster", {"title": "x"}),
    ("writer.new_task", "/tasks/new?idea=idea", {"title": "x"}),
    (
        "planner.regroup_keywords",
        "/clusters/own cluster/keywords",
        {"ids": "keyword", "do": "move", "cluster": "own cluster"},
    ),
    ("planner.merge_cluster", "/clusters/own cluster/merge", {"cluster": "cluster"}),
    ("planner_api.import_keywords", "/api/planner/keywords/import/", {"site": "site", "file": "keyword\nx"}),
    ("planner.decide_keywords", "/keywords/decide", {"ids": "keyword", "status": "ignored"}),
    ("planner.decide_ideas", "/ideas/decide", {"ids": "idea", "status": "accepted"}),
    ("writer.decide_tasks", "/tasks/decide", {"ids": "task", "status": "queued"}),
    ("automation.decide_work", "/my-work/decide", {"ids": "content", "action": "approve"}),
]
NAMES_NO_ROW = {
    "automation.import_rules", "automation.use_template", "automation.begin_rule", "automation.draft_described",
    "automation_api.show_preview",
    # Its tools are calls that are tried here, and answer with a sentence instead of 404: tests/modules/test_mcp.py.
    "mcp_api.ask_assistant",
}  # fmt: skip


@pytest.mark.usefixtures("limited")
def test_what_a_body_names_on_another_site_is_not_found(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    others = make_others(session, people)
    missing = {kind: str(987654000 + number) for number, kind in enumerate(others)}
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    program.patch(RULE.replace("own rule", rows["rule"]), json={"site": int(rows["site"])})
    asked = [(endpoint, method, path, {"json": body}) for endpoint, method, path, body in BODIES]
    asked += [(endpoint, "POST", path, {"data": form}) for endpoint, path, form in FORMS]
    before = fingerprint(session)
    for endpoint, method, path, sent in asked:
        with time_machine.travel(datetime.now(UTC), tick=False):
            foreign, absent = (
                (program if is_api(path) else browser).open(
                    in_place(path, ids, rows), method=method, **in_place(sent, ids, rows)
                )
                for ids in (others, missing)
            )
        data = comparable(absent)
        for kind, number in missing.items():
            data = data.replace(number.encode(), others[kind].encode())
        assert foreign.status_code == absent.status_code, (endpoint, sent)
        assert foreign.status_code >= 300 or endpoint in DOES_NOTHING, (endpoint, sent)
        assert comparable(foreign) == data, (endpoint, sent)
        assert fingerprint(session) == before, (endpoint, sent)


DOES_NOTHING = {"automation_api.retry_runs"}
"""Answers with a report first."""


def in_place(sent: Any, ids: dict[str, str], own: dict[str, str]) -> Any:
    """The same with numbers in place of the names of rows."""
    if isinstance(sent, dict):
        return {
            name: file_of(value) if name == "file" else in_place(value, ids, own)
            for name, value in sent.items()
        }
    if isinstance(sent, list):
        return [in_place(value, ids, own) for value in sent]
    if not isinstance(sent, str):
        return sent
    if sent in ids or sent.removeprefix("own ") in own:
        return int(ids[sent] if sent in ids else own[sent.removeprefix("own ")])
    if sent == "site-sector":
        return f"{ids['site']}-{ids['sector']}"
    text = re.sub(r"(?<=/)own (\w+)", lambda found: own[found[1]], sent)
    return re.sub(r"(?<=[?&])(\w+)=(\w+)", lambda found: f"{found[1]}={ids.get(found[2], found[2])}", text)


def file_of(text: str) -> tuple[BytesIO, str]:
    return BytesIO(text.encode()), "keywords.csv"


@pytest.mark.usefixtures("limited")
def test_rules_reach_no_further_than_their_author(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    make_others(session, people)
    program = program_of(app, session, people.owner)
    before = fingerprint(session)
    for changes, path, words in (
        ({"site": None}, "site", "You work on some sites only."),
        (act("pause_rule", action="generate_content"), "actions[0].params.action", "every site"),
    ):
        answer = program.post(RULES, json=in_place(rule_of(**changes), {}, rows))
        assert answer.status_code == 422
        assert words in answer.json["errors"][path][0]
    for name, site in ((f"{HIDDEN} rule", "site"), ("New", f"{HIDDEN} site")):
        said = f"rules: [{{name: {name}, site: {site}, trigger: keyword_added, actions: [{{type: cluster_keywords}}]}}]"
        for dry_run in (True, False):
            answer = program.post(f"{RULES}import/", json={"yaml": said, "dry_run": dry_run})
            assert answer.status_code == (200 if dry_run else 422)
            assert "changed" not in answer.text
    assert fingerprint(session) == before
    assert program.post(RULES, json=in_place(rule_of(), {}, rows)).status_code == 201


@pytest.mark.usefixtures("limited")
def test_an_operation_is_seen_where_all_it_touches_is_seen(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    here, there = int(rows["site"]), make_site(session, people.account).id
    for sites, status in (((here,), 200), ((here, there), 404), ((here, None), 404), ((there,), 404)):
        operation = begin_operation(
            session, account_id=people.account.id, kind="bulk_retry", params={"runs": []}, user_id=None,
            sites=sites, now=datetime.now(UTC),
        )  # fmt: skip
        session.commit()
        assert browser.get(f"/operations/{operation.id}").status_code == status, sites
        assert program.get(f"/api/automation/operations/{operation.id}/").status_code == status, sites
    assert browser.post(f"/rules/{rows['rule']}/past", data={"days": "1"}).status_code == 303
    made = session.scalars(select(Operation).order_by(Operation.id.desc())).first()
    assert made
    assert made.site_ids == [here]


@pytest.mark.usefixtures("limited")
def test_records_that_a_request_names_are_left_alone_on_another_site(
    app: Flask, session: Session, people: People, rows: dict[str, str]
) -> None:
    others = make_others(session, people)
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    before = fingerprint(session)
    rule, number = f"/api/automation/rules/{rows['rule']}", int(others["keyword"])
    for path, body in (("price", {"record_ids": [number]}), ("test", {"record_id": number})):
        assert program.post(f"{rule}/{path}/", json=body).status_code == 404, path
    assert browser.get(f"/rules/{rows['rule']}/test?record={number}").status_code == 404
    assert fingerprint(session) == before


def test_a_scope_without_sites_is_the_whole_account(session: Session, people: People) -> None:
    here, there = make_sector(session, make_site(session, people.account)), make_site(session, people.account)
    keyword = make_keyword(session, here)
    account_id = people.account.id
    assert owned(session, Keyword, keyword.id, Scope(account_id)) is keyword
    assert (
        owned(session, Keyword, keyword.id, Scope(account_id, frozenset({here.site_id, there.id}))) is keyword
    )
    for sites in (frozenset({there.id}), frozenset[int]()):
        for model, id in ((Keyword, keyword.id), (Site, here.site_id)):
            with pytest.raises(NotFound):
                owned(session, model, id, Scope(account_id, sites))


def read(client: FlaskClient, path: str) -> tuple[int, bytes]:
    answer = client.get(path)
    return answer.status_code, re.sub(rb'name="request_key" value="[^"]*"', b"", comparable(answer))
