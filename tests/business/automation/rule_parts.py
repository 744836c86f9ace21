"""Parts of rules used by many tests, and records for them."""

from typing import Any

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask
from app.business.events import Origin
from app.business.planner.models import Sector
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from tests.business.automation.machine import Machine
from tests.factories import NOW, make_cluster, make_keyword

LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}
HOURLY = {"cron": "7 * * * *", "timezone": "UTC"}


def clusters_with_keywords(session: Session, sector: Sector, count: int) -> list[int]:
    """Each with searches for three pages."""
    ids = []
    for number in range(count):
        cluster = make_cluster(
            session, sector, name=f"running shoes {number}", main_keyword=f"running shoes {number}"
        )
        for text in ("best running shoes {}", "how to wash running shoes {}", "running shoes {} vs boots"):
            text = text.format(number)
            make_keyword(session, sector, text=text, cluster_id=cluster.id, status="clustered")
        ids.append(cluster.id)
    return ids


def import_texts(session: Session, sector: Sector, texts: list[str]) -> None:
    """Keywords of one import: one batch of events."""
    table = read_keyword_table("\n".join(["Keyword", *texts]).encode())
    import_keywords(
        session, table, site=sector.site, sector=sector, origin=Origin(sector.account_id), now=NOW
    )


def run_once(machine: Machine, account: Account, *actions: dict[str, Any], **rule: Any) -> ScheduledTask:
    """A scheduled rule with these actions, started by hand."""
    defaults = {"trigger": "schedule", "schedule": HOURLY, "actions": list(actions)}
    return machine.run_now(machine.make_rule(account, **defaults | rule))
