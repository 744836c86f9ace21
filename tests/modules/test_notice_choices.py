"""People choose how they are told, by kind and site; the daily mail and the morning line come once a day."""

from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Notice
from app.business.accounts.services.notice_choices import NoticeKind, Way, choices_of, choose
from app.business.accounts.services.notices import notices_page, unread_notices
from app.business.automation.report_models import DailyReport
from app.business.automation.services.reports import daily
from app.business.automation.services.reports.morning_line import sentences
from app.business.outlets.mail_models import Mail
from app.business.outlets.services import refusals
from app.business.outlets.services.notifying import Message, notify
from app.infrastructure.database import transaction
from tests.factories import NOW, make_content, make_incident, make_sector, make_site
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people

PAGE = "/profile/notices"
AT_EIGHT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


def tell(session: Session, people: People, kind: NoticeKind, site_id: int | None = None) -> None:
    number = len(session.scalars(select(Notice)).all())
    notify(
        session,
        people.account.id,
        Message(kind, "info", f"{kind} {site_id}", "Look.", f"k{number}", site_id=site_id),
        NOW,
    )
    session.flush()


def mailed(session: Session) -> dict[str, list[str]]:
    return {
        mail.address: [entry["title"] for entry in mail.entries] for mail in session.scalars(select(Mail))
    }


@pytest.mark.both_databases
@pytest.mark.parametrize("kind", [kind for kind in NoticeKind if kind != NoticeKind.MORNING])
def test_every_way_of_being_told(session: Session, people: People, kind: NoticeKind) -> None:
    ways = dict(zip((people.owner, people.editor, people.operator, people.viewer), Way, strict=True))
    for user, way in ways.items():
        choose(session, user, {kind: way})
    tell(session, people, kind)
    assert set(mailed(session)) == {people.editor.email}
    seen = {way: unread_notices(session, user) for user, way in ways.items()}
    assert seen == {Way.CONSOLE: 1, Way.MAIL: 1, Way.DIGEST: 1, Way.OFF: 0}


def test_without_a_choice_editors_and_owners_get_mails(session: Session, people: People) -> None:
    tell(session, people, NoticeKind.INCIDENT)
    assert set(mailed(session)) == {people.owner.email, people.editor.email}
    assert unread_notices(session, people.viewer) == 1


@pytest.mark.both_databases
def test_a_choice_for_a_site_goes_before_the_general_one(session: Session, people: People) -> None:
    site, other = make_site(session, people.account), make_site(session, people.account)
    choose(session, people.owner, {NoticeKind.INCIDENT: Way.OFF})
    choose(session, people.owner, {NoticeKind.INCIDENT: Way.MAIL}, site.id)
    choose(session, people.editor, {NoticeKind.INCIDENT: Way.OFF}, site.id)
    for about in (site.id, other.id, None):
        tell(session, people, NoticeKind.INCIDENT, about)
    named = [f"incident {about}" for about in (site.id, other.id, None)]
    assert mailed(session) == {people.owner.email: named[:1], people.editor.email: named[1:]}
    assert [notice.title for notice in notices_page(session, people.owner).rows] == named[:1]
    assert {notice.title for notice in notices_page(session, people.editor).rows} == set(named[1:])
    choose(session, people.owner, {NoticeKind.INCIDENT: None}, site.id)
    assert notices_page(session, people.owner).rows == []


def test_the_page_keeps_choices_in_general_and_for_a_site(
    app: Flask, session: Session, people: People
) -> None:
    site = make_site(session, people.account, name="The blog")
    session.commit()
    browser = browser_of(app, session, people.viewer)
    assert "The blog" in browser.get(PAGE).text
    general = dict.fromkeys([kind.value for kind in NoticeKind], "digest") | {"morning": "mail"}
    assert browser.post(PAGE, data=general).status_code == 303
    assert (
        browser.post(
            f"{PAGE}?site={site.id}", data=dict.fromkeys(general, "") | {"incident": "off"}
        ).status_code
        == 303
    )
    assert "own choices" in browser.get(PAGE).text
    session.expire_all()
    choices = choices_of(session, [people.viewer])[people.viewer.id]
    ways = [choices.way(NoticeKind.INCIDENT, site.id), choices.way(NoticeKind.CREDITS, site.id)]
    assert (ways, choices.way(NoticeKind.MORNING)) == ([Way.OFF, Way.DIGEST], Way.MAIL)
    refused = browser.post(PAGE, data=general | {"incident": "by pigeon"})
    assert (refused.status_code, "not a valid choice" in refused.text.lower()) == (422, True)
    assert browser.get(f"{PAGE}?site=987654321").status_code == 404


def test_who_unsubscribed_is_shown_without_mail_and_gets_it_again_by_choosing_it(
    app: Flask, session: Session, people: People
) -> None:
    refusals.refuse(session, people.account.id, people.owner.email, NoticeKind.INCIDENT, NOW)
    session.commit()
    browser = browser_of(app, session, people.owner)
    page = browser.get(PAGE).text
    assert page.count('selected value="console"') == 1
    site = make_site(session, people.account)
    choose(session, people.owner, {NoticeKind.INCIDENT: Way.MAIL}, site.id)
    session.commit()
    assert browser.get(f"{PAGE}?site={site.id}").text.count('selected value="console"') == 1
    tell(session, people, NoticeKind.INCIDENT, site.id)
    assert people.owner.email not in mailed(session)
    session.commit()
    chosen = dict.fromkeys([kind.value for kind in NoticeKind], "mail")
    assert browser.post(PAGE, data=chosen).status_code == 303
    assert refusals.refused_kinds(session, people.account.id, people.owner.email) == set()


def test_mail_chosen_for_one_site_brings_none_about_others_back(
    app: Flask, session: Session, people: People
) -> None:
    """Whoever has unsubscribed, and then wants mails about one site."""
    wanted, before, other = (make_site(session, people.account) for _ in range(3))
    choose(session, people.owner, {NoticeKind.INCIDENT: Way.MAIL}, before.id)
    refusals.refuse(session, people.account.id, people.owner.email, NoticeKind.INCIDENT, NOW)
    session.commit()
    kinds = [kind.value for kind in NoticeKind if kind != NoticeKind.MORNING]
    saved = browser_of(app, session, people.owner).post(
        f"{PAGE}?site={wanted.id}", data=dict.fromkeys(kinds, "") | {"incident": "mail"}
    )
    assert saved.status_code == 303
    for about in (wanted.id, before.id, other.id, None):
        tell(session, people, NoticeKind.INCIDENT, about)
    assert mailed(session)[people.owner.email] == [f"incident {wanted.id}"]
    assert unread_notices(session, people.owner) == 4


@pytest.mark.both_databases
def test_the_daily_mail_holds_what_came_since_the_last_one_and_comes_once(
    session: Session, people: People
) -> None:
    choose(session, people.owner, {NoticeKind.CREDITS: Way.DIGEST, NoticeKind.MORNING: Way.OFF})
    choose(session, people.editor, {NoticeKind.MORNING: Way.OFF, NoticeKind.CREDITS: Way.CONSOLE})
    tell(session, people, NoticeKind.CREDITS)
    tell(session, people, NoticeKind.CREDITS)
    session.commit()
    due = (
        AT_EIGHT - timedelta(minutes=1),
        AT_EIGHT,
        AT_EIGHT + timedelta(seconds=15),
        AT_EIGHT + timedelta(days=1),
    )
    written = [daily.write_reports(transaction, transaction, at) for at in due]
    assert [(work.written, work.failed) for work in written] == [(0, {}), (2, {}), (0, {}), (2, {})]
    session.expire_all()
    own = session.scalars(select(Mail).where(Mail.account_id == people.account.id)).all()
    assert [(mail.address, mail.kind, len(mail.entries)) for mail in own] == [
        (people.owner.email, "digest", 2)
    ]


def test_a_report_is_due_from_eight_to_noon_of_the_accounts_own_zone(
    session: Session, people: People
) -> None:
    people.account.timezone = "America/New_York"
    session.commit()

    def due(hour: int) -> list[tuple[int, date]]:
        found = daily.due_accounts(session, AT_EIGHT.replace(hour=hour))
        return [pair for pair in found if pair[0] == people.account.id]

    assert [due(hour) for hour in (8, 12, 17)] == [[], [], []]
    assert due(13) == due(16) == [(people.account.id, date(2026, 11, 25))]


def test_the_morning_line_says_what_ran_what_waits_what_fails_and_how_long_credits_last(
    app: Flask, session: Session, people: People
) -> None:
    now = datetime.now(UTC)
    sector = make_sector(session, make_site(session, people.account))
    for _ in range(2):
        make_content(session, sector)
    rule = make_rule(session, people.account)
    for status in ("completed", "completed", "failed"):
        run = make_run(session, rule, status)
        run.scheduled_at = run.finished_at = now - timedelta(minutes=5)
    incident = make_incident(session, people.account)
    incident.fault = "unavailable"
    session.commit()
    assert daily.write_report(session, people.account, now.date(), now)
    session.commit()
    report = session.scalars(select(DailyReport)).one()
    said = " ".join(sentences(report.facts))
    for part in (
        "3 runs since yesterday morning, 1 failed.",
        "2 texts to check.",
        "The AI service does not answer (1 failure).",
        "1,000 credits left.",
    ):
        assert part in said
    morning = session.scalars(select(Mail).where(Mail.kind == "morning")).all()
    assert {mail.address for mail in morning} == {people.owner.email, people.editor.email}
    assert "2 texts to check." in browser_of(app, session, people.operator).get("/").text
    choose(session, people.operator, {NoticeKind.MORNING: Way.OFF})
    assert "2 texts to check." not in browser_of(app, session, people.operator).get("/").text
