"""Whatever is pressed and chosen in the rule form, the form shows the stored draft, which would be saved."""

from random import Random
from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.rule_form_walk import go_on, to_conditions
from tests.people import People
from tests.processes import eventually
from tests.sampling import FULL

SEEDS = range(30 if FULL else 1)
ACTS = 8 if FULL else 5
MOST_BUTTONS = 40
SHOWN = """() => [...new FormData(document.querySelector("form.wizard-form"))]
    .filter(([name]) => name !== "csrf_token").map((pair) => pair.join("="))"""
TWICE = """() => [...document.querySelectorAll("[id]")].map((element) => element.id)
    .filter((id, index, ids) => ids.indexOf(id) !== index)"""


def press(rng: Random, buttons: list[Locator]) -> str:
    button = rng.choice(buttons)
    change = button.get_attribute("value") or ""
    if len(buttons) > MOST_BUTTONS and change.startswith(("add", "wrap")):
        return ""
    button.click()
    return f"press {change}"


def choose(rng: Random, lists: list[Locator]) -> str:
    chosen = rng.choice(lists)
    value = rng.choice(chosen.evaluate("list => [...list.options].map((option) => option.value)"))
    chosen.select_option(value)
    return f"choose {value} in {chosen.get_attribute('id')}"


def act(rng: Random, page: Page) -> str:
    """One random press or choice; what it was."""
    form = page.locator("form.wizard-form")
    if rng.random() < 0.5:
        return press(rng, form.locator("button[name=change]:visible").all())
    lists = form.locator("select[hx-post]:visible").all()
    return choose(rng, lists) if lists else ""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_form_shows_the_stored_draft(open_page: Any, people: People, seed: int) -> None:
    rng, page = Random(seed), open_page(people.editor)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    to_conditions(page)
    again = page.context.new_page()
    trail: list[str] = []

    def is_kept() -> bool:
        again.goto(page.url)
        return bool(page.evaluate(SHOWN) == again.evaluate(SHOWN))

    for step in ("which", "do"):
        page.goto(f"{page.url.rpartition('/')[0]}/{step}")
        for _ in range(ACTS):
            if done := act(rng, page):
                trail.append(done)
                eventually(is_kept, within=10, what=f"the form shows what is kept after {trail}")
            assert page.evaluate(TWICE) == []
        go_on(page)
    assert faults == []
