"""Far-reaching changes need a confirmation: how many records, what starts or stops, what cannot be undone."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Cluster, Idea, Keyword, Sector
from app.business.writer.models import Task
from tests.factories import make_cluster, make_idea, make_keyword, make_sector, make_site, make_task
from tests.fuzz.world import fingerprint
from tests.modules.automation_pages import ON_KEYWORDS, make_rule
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

ASKS = """
    planner.decide_keywords planner.decide_ideas writer.decide_tasks planner.merge_cluster accounts.change_role
    accounts.switch_off accounts.switch_on accounts.save_sites accounts.end_second_factor
    accounts.switch_off_second_factor accounts.renew_recovery_codes accounts.revoke_key accounts.end_session
    accounts.remove_passkey accounts.end_all_sessions accounts.end_other_sessions
    automation.archive automation.pause_all automation.resume_all_now automation.restore_version
    automation.discard automation.release_set_aside automation.cancel automation.cancel_operation automation.switch
    automation.take_existing
    automation.run_now automation.end_practice automation.retry_all automation.go_on automation.do_left_over
    automation.take_import planner.choose_grouping planner.preview_grouping
    planner.import_keywords planner.preview_import automation.save outlets.remove_ai
    outlets.remove_wordpress writer.start_over writer.take_back_mark writer.restore_content_version
    writer.end_share automation.remove_site_calendar automation.remove_account_calendar
    automation.undo automation.decide_work automation.approve_change automation.send_back_change
    outlets.renew_incoming outlets.end_incoming outlets.rotate_webhook outlets.remove_webhook outlets.switch_webhook
"""
"""The previous page shows the consequences, or the button asks for a confirmation."""
IN_PLAIN_SIGHT = """
    accounts.passkey_sign_in accounts.passkey_options accounts.begin_passkey accounts.add_passkey
    accounts.rename_passkey
    accounts.sign_in accounts.sign_in_code accounts.switch_on_second_factor
    accounts.sign_out accounts.use_welcome accounts.save_profile accounts.password
    accounts.add_person accounts.new_link accounts.add_key accounts.save_key
    accounts.save_settings
    automation.read_notices automation.take_back_decision automation.restore automation.copy_rule
    automation.use_template automation.history_columns
    automation.save_filter automation.remove_filter
    automation.withdraw_change automation.propose_anew
    automation.begin_rule automation.edit_rule automation.keep automation.preview automation.import_rules
    automation.draft_described
    automation.begin_past automation.begin_draft_past automation.retry automation.answer
    planner.new_site planner.edit_site planner.add_sector planner.edit_sector planner.new_keyword
    planner.edit_keyword planner.new_cluster planner.edit_cluster planner.regroup_keywords planner.new_idea
    planner.edit_idea writer.new_task writer.edit_task writer.edit_content writer.decide_content
    writer.check_content
    writer.written_out outlets.save_ai outlets.test_ai outlets.save_wordpress outlets.test_wordpress
    automation.save_site_calendar automation.save_account_calendar
    outlets.add_webhook outlets.save_webhook outlets.test_webhook outlets.resend
    outlets.unsubscribe accounts.save_notice_choices automation.mute_incident automation.unmute_incident
    writer.publish writer.mark_published writer.give_approval writer.share_content
"""
"""Affects one record or the person only, or is a form whose fields are what is saved, or can easily be reverted."""


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def browser(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.operator)


@pytest.fixture
def sector(session: Session, people: People) -> Sector:
    return make_sector(session, make_site(session, people.account))


def test_every_form_is_covered(app: Flask) -> None:
    posts = {
        entry.endpoint
        for entry in app.url_map.iter_rules()
        if "POST" in (entry.methods or ()) and not entry.rule.startswith("/api/")
    }
    assert posts == set(ASKS.split()) | set(IN_PLAIN_SIGHT.split()), "Judge new forms in this test."
    assert not set(ASKS.split()) & set(IN_PLAIN_SIGHT.split())


def test_ignoring_many_keywords_names_what_follows(
    session: Session, people: People, sector: Sector, browser: FlaskClient
) -> None:
    cluster = make_cluster(session, sector)
    ids = [make_keyword(session, sector).id for _ in range(47)]
    ids += [make_keyword(session, sector, status="clustered", cluster_id=cluster.id).id for _ in range(3)]
    ids += [make_keyword(session, sector, status="ignored").id for _ in range(2)]
    changed = {"record_type": "keyword", "to": ["ignored"]}
    make_rule(
        session, people.account, **ON_KEYWORDS | {"name": "Tell me", "trigger": "status_changed"},
        schedule={}, conditions={}, trigger_options=changed, record_type="keyword",
    )  # fmt: skip
    before = fingerprint(session)
    sent = {"ids": ids, "status": "ignored"}
    page = browser.post("/keywords/decide?status=new", data=sent)
    assert page.status_code == 200
    for said in (
        "Ignore 50 keywords?", "Rules leave them alone", "2 of those you ticked stay as they are",
        "3 keywords are “Clustered” now: that cannot be given back", "1 rule starts on it", "“Tell me”",
    ):  # fmt: skip
        assert said in page.text, said
    assert fingerprint(session) == before
    action, fields = form_of(page.text)
    done = browser.post(action, data=fields)
    assert (done.status_code, done.location) == (303, "/keywords?status=new")
    assert set(session.scalars(select(Keyword.status))) == {"ignored"}


@pytest.mark.parametrize(
    ("model", "address", "status", "sentences"),
    [(Idea, "/ideas/decide", "accepted", ["Accept 2 ideas?", "cost credits", "No rule starts"]),
     (Idea, "/ideas/decide", "rejected", ["Reject 2 ideas?", "You can take this back"]),
     (Task, "/tasks/decide", "queued", ["Mark ready 2 tasks?", "costs credits"]),
     (Task, "/tasks/decide", "done", ["Mark done 2 tasks?", "no articles"])],
)  # fmt: skip
def test_a_status_for_several_records_is_asked_first(
    session: Session,
    sector: Sector,
    browser: FlaskClient,
    model: type,
    address: str,
    status: str,
    sentences: list[str],
) -> None:
    make = make_idea if model is Idea else make_task
    ids = [make(session, sector).id for _ in range(2)]
    session.commit()
    page = browser.post(address, data={"ids": ids, "status": status}).text
    for sentence in sentences:
        assert sentence in page, sentence
    assert status not in set(session.scalars(select(model.status)))  # type: ignore[attr-defined]
    action, fields = form_of(page)
    assert browser.post(action, data=fields).status_code == 303
    session.expire_all()
    assert set(session.scalars(select(model.status))) == {status}  # type: ignore[attr-defined]


def test_one_visible_record_is_not_asked_about(
    session: Session, sector: Sector, browser: FlaskClient
) -> None:
    keyword = make_keyword(session, sector)
    session.commit()
    assert browser.post("/keywords/decide", data={"ids": keyword.id, "status": "ignored"}).status_code == 303


def test_a_merge_names_what_is_moved_and_what_is_removed(
    session: Session, sector: Sector, browser: FlaskClient
) -> None:
    one, other = make_cluster(session, sector, name="One"), make_cluster(session, sector, name="Other")
    make_keyword(session, sector, status="clustered", cluster_id=other.id)
    session.commit()
    page = browser.post(f"/clusters/{one.id}/merge", data={"cluster": other.id}).text
    assert "1 keyword and 0 ideas go over to “One”" in page
    assert "“Other” is gone then: this cannot be taken back" in page
    assert len(session.scalars(select(Cluster.id)).all()) == 2
    action, fields = form_of(page)
    assert browser.post(action, data=fields).status_code == 303
    assert len(session.scalars(select(Cluster.id)).all()) == 1


def form_of(page: str) -> tuple[str, dict[str, list[str]]]:
    """Address and fields of the confirmation form."""
    form = re.search(
        r'<ul class="consequences">.*?<form method="post" action="([^"]*)">(.*?)</form>', page, re.S
    )
    assert form, page
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form[2]):
        fields.setdefault(name, []).append(value)
    return form[1], fields
