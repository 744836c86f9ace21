"""People limited to sites: set by owners, held in pages, keys, notices and mails; clients who approve articles."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import AuditEntry, Role, User
from app.business.accounts.services import api_keys, team
from app.business.accounts.services.notice_choices import NoticeKind, Way, choose
from app.business.automation.report_models import DailyReport
from app.business.automation.services.actions.notify_handler import mailed_to
from app.business.automation.services.catalogue.actions.notify import Notify
from app.business.automation.services.reports import digest, morning_line
from app.business.errors import Conflict
from app.business.outlets.mail_models import Mail
from app.business.outlets.services.notifying import Message, notify
from app.business.writer.models import Content
from tests.factories import make_content, make_sector, make_site
from tests.fuzz.world import fingerprint
from tests.people import People, browser_of, make_people, program_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def here(session: Session, people: People) -> Content:
    return make_content(
        session, make_sector(session, make_site(session, people.account, name="Here")), title="Ours"
    )


@pytest.fixture
def there(session: Session, people: People) -> Content:
    made = make_content(
        session, make_sector(session, make_site(session, people.account, name="There")), title="Theirs"
    )
    session.commit()
    return made


def limit(session: Session, user: User, *sites: int, may_approve: bool = False) -> None:
    team.limit_to_sites(session, user, sites, may_approve=may_approve, now=datetime.now(UTC))
    session.commit()


def test_an_owner_limits_a_person_who_sees_the_rest_no_more_at_once(
    app: Flask, session: Session, people: People, here: Content, there: Content
) -> None:
    owner, viewer = browser_of(app, session, people.owner), browser_of(app, session, people.viewer)
    program = program_of(app, session, people.viewer)
    assert viewer.get(f"/content/{there.id}").status_code == 200
    page = f"/team/{people.viewer.id}/sites"
    assert "they see nothing of the others" in owner.get(page).text
    saved = owner.post(page, data={"sees": "some", "site_ids": [here.site_id]})
    assert saved.status_code == 303
    assert "Here" in owner.get("/team").text
    for path, status in (
        (f"/content/{there.id}", 404), (f"/content/{here.id}", 200), ("/credits", 403), ("/settings", 403),
        ("/system", 403),
    ):  # fmt: skip
        assert viewer.get(path).status_code == status, path
    dashboard = viewer.get("/").text
    assert "Theirs" not in dashboard
    assert not any(part in dashboard for part in ('href="/credits"', 'href="/settings"', 'href="/system"'))
    assert [site["name"] for site in program.get("/api/planner/sites/").json["results"]] == ["Here"]
    assert program.get("/api/billing/ledger/").status_code == 403
    entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "user.sites_changed")).one()
    assert entry.data == {"site_ids": {"from": None, "to": [here.site_id]}}


def test_who_approves_anyway_is_not_asked_and_a_former_client_keeps_the_answer(
    app: Flask, session: Session, people: People, here: Content
) -> None:
    owner, asked = browser_of(app, session, people.owner), "May approve articles"
    people.operator.may_approve = True
    session.commit()
    assert asked in owner.get(f"/team/{people.viewer.id}/sites").text
    page = f"/team/{people.operator.id}/sites"
    assert asked not in owner.get(page).text
    assert owner.post(page, data={"sees": "some", "site_ids": [here.site_id]}).status_code == 303
    assert people.operator.may_approve


@pytest.mark.parametrize(
    ("who", "sent", "words"),
    [
        ("viewer", {"sees": "some"}, "Tick at least one site."),
        ("owner", {"sees": "some", "site_ids": "own"}, "An owner sees all sites."),
        ("viewer", {"sees": "some", "site_ids": "foreign"}, "not a valid choice"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(
    app: Flask, session: Session, people: People, here: Content, who: str, sent: dict[str, Any], words: str
) -> None:
    foreign = make_site(session, session.get_one(User, people.stranger.id).account)
    owner = browser_of(app, session, people.owner)
    ids = {"own": here.site_id, "foreign": foreign.id}
    before = fingerprint(session)
    answer = owner.post(
        f"/team/{getattr(people, who).id}/sites",
        data={name: ids.get(value, value) for name, value in sent.items()},
    )
    assert answer.status_code == 422
    assert words in answer.text
    assert fingerprint(session) == before


def test_a_person_is_added_for_one_site_and_sees_all_as_an_owner(
    app: Flask, session: Session, people: People, here: Content
) -> None:
    owner = browser_of(app, session, people.owner)
    sent = {
        "email": "client@example.com",
        "role": "viewer",
        "sees": "some",
        "site_ids": here.site_id,
        "may_approve": "y",
    }
    people.editor.is_active = people.operator.is_active = False
    session.commit()
    assert owner.post("/team", data=sent).status_code == 201
    client = session.scalars(select(User).where(User.email == "client@example.com")).one()
    assert (client.site_ids, client.may_approve) == ([here.site_id], True)
    assert "They see all sites then" in owner.get(f"/team/{client.id}/role?role=owner").text
    team.change_role(session, client, Role.OWNER, datetime.now(UTC))
    assert client.site_ids is None
    with pytest.raises(Conflict):
        limit(session, client, here.site_id)


def test_a_key_sees_no_more_than_its_person_and_its_own_limits_allow(
    app: Flask, session: Session, people: People, here: Content, there: Content
) -> None:
    limit(session, people.editor, here.site_id)
    limits = api_keys.KeyLimits(site_ids=[here.site_id, there.site_id])
    _, secret = api_keys.issue(session, people.editor, "Both", datetime.now(UTC), limits)
    session.commit()
    found = app.test_client().get("/api/planner/sites/", headers={"Authorization": f"Bearer {secret}"}).json
    assert [site["id"] for site in found["results"]] == [here.site_id]


def test_notices_and_mails_about_other_sites_reach_only_those_who_see_them(
    session: Session, people: People, here: Content, there: Content
) -> None:
    now, account = datetime.now(UTC), people.account
    limit(session, people.editor, here.site_id)
    for place, site in (("here", here.site_id), ("there", there.site_id), ("all", None)):
        notify(
            session, account.id,
            Message(NoticeKind.INCIDENT, "danger", f"Fault {place}", "Look.", place, site_id=site), now,
        )  # fmt: skip
    session.flush()
    mailed = select(Mail.entries).where(Mail.user_id == people.editor.id)
    said = str(session.scalars(mailed).all())
    assert "Fault here" in said
    assert "Fault there" not in said
    assert "Fault all" not in said
    params = Notify(message="Done", email=True, to=["editor"])
    assert {one.address for one in mailed_to(session, account.id, params, there.site_id)} == {
        people.owner.email
    }
    assert len(mailed_to(session, account.id, params, here.site_id)) == 2
    choose(session, people.editor, {NoticeKind.INCIDENT: Way.DIGEST, NoticeKind.MORNING: Way.MAIL})
    session.flush()
    digest.send(session, account, datetime(2020, 1, 1, tzinfo=UTC), now)
    digested = str(session.scalars(mailed.where(Mail.kind == "digest")).all())
    assert "Fault here" in digested
    assert "Fault there" not in digested
    assert "Fault all" not in digested
    report = DailyReport(account_id=account.id, on=now.date(), since=now, facts={}, created_at=now)
    choose(session, people.owner, {NoticeKind.MORNING: Way.MAIL})
    assert morning_line.send(session, account, report, now) == 1


def test_only_a_client_who_may_approve_decides_and_only_on_own_sites(
    app: Flask, session: Session, people: People, here: Content, there: Content
) -> None:
    client = browser_of(app, session, people.viewer)
    limit(session, people.viewer, here.site_id)
    here.status = "review"
    session.commit()
    assert client.post(f"/content/{here.id}/approval", data={"answer": "approve"}).status_code == 403
    assert "/approval" not in client.get("/").text
    limit(session, people.viewer, here.site_id, may_approve=True)
    assert client.post(f"/content/{there.id}/approval", data={"answer": "approve"}).status_code == 404
    assert client.post(f"/content/{here.id}/decide", data={"status": "approved"}).status_code == 403
    assert client.post(f"/content/{here.id}/approval", data={"answer": "send_back"}).status_code == 422
    session.refresh(here)
    assert here.status == "review"
    assert f"/content/{here.id}/approval" in client.get("/").text
    back = client.post(
        f"/content/{here.id}/approval",
        data={"answer": "send_back", "note": "Shorter, please.", "back": "//evil"},
    )
    assert (back.status_code, back.location) == (303, "/")
    session.refresh(here)
    assert here.status == "draft"
    assert here.note.endswith("Shorter, please.")
    client.post(f"/content/{here.id}/approval", data={"answer": "approve"})
    session.refresh(here)
    assert here.status == "approved"
