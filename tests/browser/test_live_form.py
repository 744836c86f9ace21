"""The live form module alone, in a blank page: what an answer takes over, and what it leaves to the person."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Browser, Page, Route, expect

STATIC = Path(__file__).parents[2] / "static"
HOME = "http://form.test"
MERGE = """async ([shown, now, sent, answer]) => {
    const { keepTyped } = await import("/live_form.js");
    document.body.innerHTML = `<form>${shown}</form>`;
    const field = document.getElementById("f");
    if ("value" in now) field.value = now.value;
    if ("checked" in now) field.checked = now.checked;
    const fresh = document.createElement("template");
    fresh.innerHTML = `<div id="part">${answer}</div>`;
    keepTyped(fresh.content, new URLSearchParams(sent));
    const last = fresh.content.getElementById("f");
    return [field.value, field.checked ?? false, last.value, last.checked ?? false];
}"""
KEYBOARD = """async ([focused, answer]) => {
    const { placeKeyboard } = await import("/live_form.js");
    document.body.innerHTML = `<input id="one"><input id="bad" aria-invalid="true"><p id="asker"><input id="two"></p>`;
    document.getElementById(focused)?.focus();
    const fresh = document.createElement("template");
    fresh.innerHTML = answer;
    placeKeyboard([fresh.content], document.getElementById("asker"));
    return [...fresh.content.querySelectorAll("[autofocus]")].map((field) => field.id);
}"""
LIST = '<select id="f" name="f"><option value="a">A</option><option value="b"{b}>B</option>{more}</select>'
BOTH = LIST.format(b="", more="")
SECOND = LIST.format(b=" selected", more="")
THREE = LIST.format(b="", more='<option value="c">C</option>')
AREA = '<textarea id="f" name="f">a</textarea>'
BOX = '<input type="checkbox" id="f" name="f" value="y"{}>'
ROWS = """<div id="rows">{rows}
    <button id="add" name="change" value="add" hx-post="/ask" hx-target="#rows" hx-swap="outerMorph"
        hx-sync="closest form:queue all">Add</button></div>"""
FORM = """<!doctype html><title>Form</title><meta name="htmx-config" content='{{"defaultSwap": "outerHTML"}}'>
    <script src="/htmx.min.js" defer></script><script src="/live_form.js" type="module"></script>
    <form action="/next" method="post">{rows}<button id="next">Next</button></form>"""
SCRIPTS = {
    f"{HOME}/htmx.min.js": next(STATIC.rglob("htmx.min.js")),
    f"{HOME}/live_form.js": STATIC / "js" / "live_form.js",
}


def rows_of(route: Route, count: int) -> str:
    """As the server draws so many rows, each with what came in for it; the keyboard goes on in the last."""
    typed = dict(parse_qsl(route.request.post_data or ""))
    rows = [f'<input id="r{n}" name="r{n}" value="{typed.get(f"r{n}", "")}">' for n in range(count)]
    return ROWS.format(rows="".join(rows).replace(f'id="r{count - 1}"', f'id="r{count - 1}" autofocus'))


def form_page(route: Route) -> None:
    """The page, its scripts, and a blank page to try the module alone."""
    address = route.request.url
    if address in SCRIPTS:
        route.fulfill(path=SCRIPTS[address], content_type="text/javascript")
    else:
        body = FORM.format(rows=ROWS.format(rows="")) if address == f"{HOME}/" else "<!doctype html>"
        route.fulfill(body=body, content_type="text/html")


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    opened = context.new_page()
    opened.route(f"{HOME}/**", form_page)
    opened.goto(f"{HOME}/blank")
    yield opened
    context.close()


@pytest.fixture
def asked(page: Page) -> Iterator[list[Route]]:
    """The questions of a form that wait for their answer, and the press of "Next"."""
    waiting: list[Route] = []
    page.goto(f"{HOME}/")
    page.wait_for_function("() => document.querySelector('#add[data-htmx-powered]')")
    for address in (f"{HOME}/ask", f"{HOME}/next"):
        page.route(address, lambda route: waiting.append(route))
    yield waiting
    page.goto(f"{HOME}/blank")


def until(page: Page, holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        page.wait_for_timeout(20)
    pytest.fail("the page does not ask")


def go_on(page: Page, press: Route) -> None:
    press.fulfill(body="<p>Next</p>", content_type="text/html")
    page.wait_for_url(f"{HOME}/next")


@pytest.mark.parametrize(
    ("shown", "now", "sent", "answer", "value", "ticked"),
    [
        ('<input id="f" name="f" value="1">', {"value": "2"}, "f=2", '<input id="f" name="f" value="2">', "2", False),
        ('<input id="f" name="f" value="1">', {"value": "3"}, "f=2", '<input id="f" name="f" value="2">', "3", False),
        ('<input id="f" name="f" value="">', {"value": "3"}, "f=3", '<input id="f" name="f" value="">', "", False),
        ('<input id="f" name="f" value="1">', {"value": "3"}, "g=2", '<input id="f" name="f" value="2">', "3", False),
        (AREA, {"value": "a\nb"}, "f=a", AREA, "a\nb", False),
        (BOTH, {"value": "b"}, "f=b", SECOND, "b", False),
        (BOTH, {"value": "b"}, "f=a", THREE, "b", False),
        (BOTH, {"value": "b"}, "f=b", THREE, "a", False),
        (THREE, {"value": "c"}, "f=a", SECOND, "b", False),
        (BOX.format(""), {"checked": True}, "", BOX.format(""), "y", True),
        (BOX.format(""), {"checked": True}, "f=y", BOX.format(""), "y", False),
        (BOX.format(" checked"), {"checked": False}, "f=y", BOX.format(" checked"), "y", False),
        (BOX.format(""), {"checked": False}, "", BOX.format(" checked"), "y", True),
    ],
    ids=[
        "sent", "typed since", "emptied by the answer", "not asked about", "lines typed since",
        "choice sent", "choice since", "choice taken back", "choice that is gone",
        "tick since", "tick taken back", "untick since", "ticked by the answer",
    ],
)  # fmt: skip
def test_what_was_typed_since_the_question_stays_and_all_else_is_as_answered(
    page: Page, shown: str, now: Any, sent: str, answer: str, value: str, ticked: bool
) -> None:
    assert page.evaluate(MERGE, [shown, now, sent, answer]) == [value, ticked, value, ticked]


@pytest.mark.parametrize(
    ("focused", "answer", "goal"),
    [
        ("", '<input id="new" autofocus>', ["new"]),
        ("two", '<input id="new" autofocus>', ["new"]),
        ("one", '<input id="new" autofocus>', []),
        ("", '<input id="new" aria-invalid="true">', ["new"]),
        ("", '<input id="bad" aria-invalid="true">', []),
        ("one", '<input id="new" aria-invalid="true">', []),
        ("", '<input id="bad" aria-invalid="true"><input id="new" autofocus>', ["new"]),
    ],
)
def test_the_keyboard_goes_on_where_the_answer_says_unless_the_person_has_moved_on(
    page: Page, focused: str, answer: str, goal: list[str]
) -> None:
    assert page.evaluate(KEYBOARD, [focused, answer]) == goal


def test_what_was_opened_stays_open(page: Page) -> None:
    merge = """async () => {
        const { keepOpened } = await import("/live_form.js");
        document.body.innerHTML = '<details id="a" open></details><details id="b"></details>';
        const fresh = document.createElement("template");
        fresh.innerHTML = '<details id="a"></details><details id="b"></details><details id="c" open></details>';
        keepOpened(fresh.content);
        return [...fresh.content.querySelectorAll("[open]")].map((details) => details.id);
    }"""
    assert page.evaluate(merge) == ["a", "c"]


def test_each_question_is_asked_of_what_the_one_before_left(page: Page, asked: list[Route]) -> None:
    page.locator("#add").click()
    page.locator("#add").click()
    until(page, lambda: len(asked) == 1)
    asked[0].fulfill(body=rows_of(asked[0], 1), content_type="text/html")
    until(page, lambda: len(asked) == 2)
    assert dict(parse_qsl(asked[1].request.post_data or "", keep_blank_values=True)) == {
        "r0": "",
        "change": "add",
    }
    page.locator("#r0").fill("typed meanwhile")
    asked[1].fulfill(body=rows_of(asked[1], 2), content_type="text/html")
    expect(page.locator("#r1")).to_be_visible()
    expect(page.locator("#r0")).to_have_value("typed meanwhile")
    expect(page.locator("#r1")).to_be_focused()


def test_going_on_waits_for_every_answer_and_takes_all_along(page: Page, asked: list[Route]) -> None:
    page.locator("#add").click()
    page.locator("#add").click()
    page.locator("#next").click()
    for count in (1, 2):
        until(page, lambda count=count: len(asked) == count)
        assert asked[-1].request.url == f"{HOME}/ask"
        asked[-1].fulfill(body=rows_of(asked[-1], count), content_type="text/html")
    until(page, lambda: len(asked) == 3)
    sent = dict(parse_qsl(asked[2].request.post_data or "", keep_blank_values=True))
    assert (asked[2].request.url, sent) == (f"{HOME}/next", {"r0": "", "r1": ""})
    go_on(page, asked[2])


def test_a_question_without_an_answer_holds_nothing_up(page: Page, asked: list[Route]) -> None:
    page.locator("#add").click()
    page.locator("#next").click()
    until(page, lambda: len(asked) == 1)
    asked[0].abort()
    until(page, lambda: len(asked) == 2)
    assert asked[1].request.url == f"{HOME}/next"
    go_on(page, asked[1])
