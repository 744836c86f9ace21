"""The drawing of a loop in a real browser: within the page, legible, its words within their boxes, no fault for axe."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.browser.conftest import serious_faults
from tests.modules.automation_pages import ring_of
from tests.people import People

SPILLING = """() => {
    const boxes = [...document.querySelectorAll('.loop-box')], names = [...document.querySelectorAll('.loop-name')];
    return names.filter((name, at) => name.getBBox().width > boxes[at].getBBox().width).map(name => name.textContent);
}"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll('.loop-drawing text')].map(
    text => parseFloat(getComputedStyle(text).fontSize) * text.getCTM().a))"""


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_ring_of_ten_is_legible(
    open_page: Any, people: People, session: Session, width: int, scheme: str
) -> None:
    rules = ring_of(session, people, 10)
    rules[3].name = "Nightly clusters of all new keywords of the shop"
    session.commit()
    size = {"width": width, "height": 900}
    page = open_page(people.viewer, viewport=size, color_scheme=scheme, bypass_csp=True)
    page.goto(f"/rules/{rules[0].id}")
    assert page.locator(".loop-box").count() == 10
    assert page.evaluate(SPILLING) == []
    assert page.evaluate(SMALLEST) >= 11
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert serious_faults(page) == []
