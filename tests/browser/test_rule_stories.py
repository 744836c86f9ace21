"""What content teams ask for, entered in the form by somebody who has never seen a query."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.versions import definition_of
from tests.browser.rule_form_entry import Typist
from tests.browser.rule_stories import STORIES, Story
from tests.factories import make_sector, make_site
from tests.people import People
from tests.sampling import FULL, times

# What is typed becomes JSON before any database sees it: one database shows it.
OF_EACH_TRIGGER = {story.rule["trigger"]: number for number, story in enumerate(STORIES)}
NUMBERS = range(len(STORIES)) if FULL else sorted(OF_EACH_TRIGGER.values())[::8]
"""Stories of some triggers; with TRIALS=full all of them."""
WITHOUT_SCRIPT = times(full=STORIES[-1], sample=STORIES[-3])
"""The most complex one; every day one with two conditions and an action."""

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


def meant(session: Session, people: People, story: Story, name: str) -> dict[str, Any]:
    """The rule as the API would save it."""
    data = story.rule | {"name": f"{name} by program", "is_active": False}
    rule = AutomationService().create_rule(session, people.account, data, Actor(None), datetime.now(UTC))
    return definition_of(rule) | {"name": name}


@on_one_database
@pytest.mark.parametrize("number", NUMBERS)
def test_the_form_saves_the_intended_rule(
    open_page: Any, people: People, session: Session, number: int
) -> None:
    make_sector(session, make_site(session, people.account, name="Garden"), name="Finance")
    session.commit()
    story, name = STORIES[number], f"Story {number}"
    Typist(open_page(people.editor)).write(story, name)
    written = definition_of(session.scalars(select(AutomationRule)).one())
    assert written == meant(session, people, story, name), story.wish


@on_one_database
def test_a_story_is_entered_without_script(open_page: Any, people: People, session: Session) -> None:
    page = open_page(people.editor, java_script_enabled=False, viewport={"width": 390, "height": 844})
    Typist(page, has_script=False).write(WITHOUT_SCRIPT, "Pillars")
    written = definition_of(session.scalars(select(AutomationRule)).one())
    assert written == meant(session, people, WITHOUT_SCRIPT, "Pillars")
