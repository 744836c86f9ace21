"""Forms of pages that are sent without anything in them: refused as input, or they do what their button alone says."""

from flask import Flask
from sqlalchemy.orm import Session

from tests.modules.permissions import PRIVATE, address, make_rows
from tests.modules.test_permissions import calls, is_api
from tests.people import browser_of, make_people

DONE = (200, 201, 303)
REFUSED_AS_INPUT = 422
IN_ANOTHER_STATE = {
    "accounts.renew_recovery_codes": "the second factor is off",
    "accounts.switch_off_second_factor": "the second factor is off",
    "accounts.switch_on": "the plan has no room for another person",
    "automation.do_left_over": "nothing is left over",
    "automation.end_practice": "the rule does not practise",
    "automation.go_on": "the run does not wait for a person",
    "automation.take_existing": "the rule is off",
    "automation.undo": "the run made nothing",
}
"""409 belongs to these alone: nothing that somebody could enter makes a difference."""
MISSING = {
    "automation.use_template": 404,
    "outlets.resend": 404,
    "outlets.unsubscribe": 404,
    "accounts.use_welcome": 410,
}
"""Whose address names nothing that there is, or that is left: the webhook was removed before."""

FORBIDDEN = {"automation.withdraw_change": 403}
"""Whose row is somebody else's alone to decide on."""


def test_an_empty_form_is_never_refused_as_if_something_had_changed(app: Flask, session: Session) -> None:
    app.config["RATELIMIT_ENABLED"] = False
    people = make_people(session)
    rows = make_rows(app, session, people)
    answers = {}
    for endpoint, method, rule in calls(app):
        if method == "POST" and not is_api(rule):
            who = people.editor if any(part in rule for part in PRIVATE) else people.owner
            who = people.viewer if "/passkeys/<int:id>" in rule else who
            # A session of its own, for some forms end it.
            browser = browser_of(app, session, who)
            answers[endpoint] = browser.post(address(rule, rows), data={"nothing": ""}).status_code
    app.config["RATELIMIT_ENABLED"] = True
    others = {name: status for name, status in answers.items() if status not in (*DONE, REFUSED_AS_INPUT)}
    assert others == dict.fromkeys(IN_ANOTHER_STATE, 409) | MISSING | FORBIDDEN
    assert len(answers) > 100
