"""Failed runs become incidents by cause: of the service, not of the rule; the first success after them ends them."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice, Role
from app.business.automation.run_models import Status
from app.business.automation.services.runs import commands
from app.business.language_model import Embeddings, ModelConnection, ProviderFault
from app.business.outlets.incident_models import Incident, IncidentFailure
from app.business.outlets.mail_models import Mail
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.provider import ArticleModel, FailingModel
from tests.business.automation.rule_parts import (
    HOURLY,
    IDEAS,
    LABEL,
    clusters_with_keywords,
    import_texts,
    run_once,
)
from tests.factories import make_ai_connection, make_incident, make_keyword, make_task, make_user


def causes(session: Session) -> list[tuple[str, str, str]]:
    session.expire_all()
    rows = session.scalars(select(Incident).order_by(Incident.id))
    return [(row.place, row.fault, row.status) for row in rows]


def test_three_rules_that_fail_by_one_cause_are_one_incident_with_one_mail_and_one_recovery(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_user(session, account, Role.EDITOR)
    clusters_with_keywords(session, sector, 1)
    rules = [
        machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS]) for _ in range(3)
    ]
    machine.model = FailingModel("refused")
    assert [machine.run_now(rule).status for rule in rules] == [Status.FAILED] * 3
    assert causes(session) == [("ai", "refused", "open")]
    failed = session.scalars(select(IncidentFailure).order_by(IncidentFailure.id)).all()
    assert {row.rule_id for row in failed} == {rule.id for rule in rules}
    assert {row.site_id for row in failed} == {sector.site_id}
    assert session.scalars(select(Notice.title)).all() == ["The AI service says no"]
    assert [len(mail.entries) for mail in session.scalars(select(Mail))] == [1]
    machine.pass_time(minutes=5)
    machine.model = FailingModel()
    assert machine.run_now(rules[0]).status == Status.COMPLETED
    assert causes(session) == [("ai", "refused", "recovered")]
    titles = session.scalars(select(Notice.title).order_by(Notice.id)).all()
    assert titles == ["The AI service says no", "The AI service works again"]
    (mail,) = session.scalars(select(Mail))
    assert [entry["title"] for entry in mail.entries] == titles


def test_a_success_elsewhere_ends_nothing(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("refused")
    failing = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    machine.run_now(failing)
    machine.pass_time(minutes=1)
    other = machine.make_rule(
        account, trigger="schedule", schedule=HOURLY, actions=[LABEL], record_type="keyword"
    )
    make_keyword(session, sector)
    assert machine.run_now(other).status == Status.COMPLETED
    assert causes(session) == [("ai", "refused", "open")]


class Vectors(ArticleModel):
    """Makes vectors as long as `fault` is None."""

    fault: ProviderFault | None = None

    def embed(self, texts: list[str], connection: ModelConnection, key: str) -> Embeddings:
        if self.fault:
            raise self.fault
        return Embeddings([[1.0, float(len(text))] for text in texts], tokens=len(texts))


def test_failing_vectors_are_the_services_and_only_vectors_end_that(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_ai_connection(session, account, embedding_model="vectors")
    make_task(session, sector)
    model = machine.model = Vectors()
    model.fault = ProviderFault("misconfigured", "The AI service does not know this address or model.")
    texts = ["oak table", "wooden oak tables", "garden hose", "hose for gardens"]
    keywords = [make_keyword(session, sector, text=text) for text in texts]
    grouping = machine.make_rule(account, trigger="keyword_added", actions=[{"type": "cluster_keywords"}])
    run = machine.run_now(grouping, record_ids=[keyword.id for keyword in keywords])
    assert run.status == Status.FAILED
    assert causes(session) == [("ai-vectors", "misconfigured", "open")]
    assert session.scalars(select(Notice.title)).all() == [
        "The AI service for vectors does not accept our calls"
    ]
    machine.pass_time(minutes=1)
    writing = machine.make_rule(account, trigger="task_created", actions=[{"type": "generate_content"}])
    assert machine.run_now(writing).status == Status.COMPLETED
    assert causes(session) == [("ai-vectors", "misconfigured", "open")]
    model.fault = None
    commands.retry(session, run, machine.now)
    machine.settle()
    session.refresh(run)
    assert run.status == Status.COMPLETED
    assert causes(session) == [("ai-vectors", "misconfigured", "recovered")]


def test_a_passing_fault_opens_one_only_when_the_run_is_not_tried_again_at_once(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("timeout")
    run = run_once(machine, account, IDEAS, schedule={"cron": "7 3 * * *", "timezone": "UTC"})
    for _ in range(3):
        assert (run.status, causes(session)) == (Status.PENDING, [])
        machine.pass_time(minutes=6)
        machine.settle()
    assert (run.status, causes(session)) == (Status.FAILED, [("ai", "unavailable", "open")])
    # Two kinds of faults of a service that does not answer are one cause.
    machine.model = FailingModel("connection")
    commands.retry(session, run, machine.now)
    for _ in range(4):
        machine.settle()
        machine.pass_time(minutes=6)
    assert (run.status, causes(session)) == (Status.FAILED, [("ai", "unavailable", "open")])
    assert [
        row.at > run.scheduled_at + timedelta(minutes=30) for row in session.scalars(select(IncidentFailure))
    ]


def test_what_people_did_opens_none(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.model = FailingModel("timeout")
    run = machine.run_now(machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS]))
    commands.cancel(session, run, machine.now)
    machine.settle()
    assert (run.status, run.reason, causes(session)) == (Status.FAILED, "cancelled", [])


def test_a_run_that_is_executed_together_with_others_ends_the_incident_of_its_rule(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, trigger="keyword_added", actions=[LABEL], batching="each")
    incident = make_incident(session, account, rule_id=rule.id)
    incident.place, incident.fault = f"rule-{rule.id}", "needs_repair"
    import_texts(session, sector, ["one", "two", "three"])
    machine.settle()
    assert {run.status for run in machine.runs()} == {Status.COMPLETED}
    assert causes(session) == [(f"rule-{rule.id}", "needs_repair", "recovered")]
