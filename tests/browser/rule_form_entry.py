"""A user who enters a rule in the form: presses, chooses and fills what the page offers, and nothing else."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.rule_stories import Story

LIMITS = ("max_executions_per_day", "credit_limit_per_execution", "record_limit", "monthly_budget")
QUIET = "() => !document.querySelector('.htmx-request')"
LISTENING = "() => !document.querySelector('[hx-post]:not([data-htmx-powered])')"


class Typist:
    """`has_script`: whether the page follows each choice by itself; else there is a button for it."""

    def __init__(self, page: Page, *, has_script: bool = True) -> None:
        self.page, self.has_script = page, has_script

    def write(self, story: Story, name: str) -> None:
        rule = story.rule
        self.page.goto("/rules/new")
        self.fill("name", name)
        self.go_on("What starts it?")
        self.choose_trigger(rule)
        self.go_on("Where may it work?")
        if story.place:
            self.page.locator("#place").select_option(label=story.place)
        self.go_on("Which records does it work on?")
        self.choose_records(rule)
        self.go_on("What does it do?")
        for number, action in enumerate(rule["actions"]):
            self.add_action(number, action)
        self.go_on("How often?")
        self.fill_all(story.times | ({"batching": rule["batching"]} if "batching" in rule else {}))
        self.go_on("What are its limits?")
        self.fill_all({key: str(rule[key]) for key in LIMITS if key in rule})
        self.go_on("Is this the rule you want?")
        self.page.get_by_role("button", name="Save, switched off").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)

    def choose_trigger(self, rule: dict[str, Any]) -> None:
        self.fill("trigger", rule["trigger"])
        if status := rule.get("trigger_options", {}).get("status"):
            self.fill("ended", status)

    def choose_records(self, rule: dict[str, Any]) -> None:
        if "record_type" in rule:
            self.fill("record_type", rule["record_type"] or "none")
            self.settle()
        if "record_minimum" in rule:
            self.fill("record_minimum", str(rule["record_minimum"]))
        self.add_conditions("", rule["conditions"])

    def add_action(self, number: int, action: dict[str, Any]) -> None:
        if number:
            self.press("add_action")
        self.choose(f"a{number}-type", action["type"])
        for name, value in action["params"].items():
            (self.choose if name == "type" else self.fill)(f"a{number}-p-{name}", value)
        self.add_conditions(f"a{number}-when-", action.get("when", {}))

    def add_conditions(self, prefix: str, node: dict[str, Any]) -> None:
        match, children = _opened(node) if node else ("all", [])
        for child in children:
            self.add(prefix, "g0", child)
        if match != "all":
            self.fill(f"{prefix}g0-match", match)

    def add(self, prefix: str, group: str, node: dict[str, Any]) -> None:
        if "field" in node or "count" in node:
            self.fill_row(self.press(f"{prefix}{group}-add").removesuffix("-field"), node)
            return
        row = self.press(f"{prefix}{group}-add-group").removesuffix("-field")
        inner = f"g{self.page.locator(f'[name={row}-group]').input_value()}"
        match, (first, *others) = _opened(node)
        self.choose(f"{prefix}{inner}-match", match)
        self.fill_row(row, first)
        for child in others:
            self.add(prefix, inner, child)

    def fill_row(self, row: str, leaf: dict[str, Any]) -> None:
        other, value = "", leaf.get("value")
        if isinstance(value, dict):
            other, value = ":field", value["field"]
        self.choose(f"{row}-field", leaf["field"] if "field" in leaf else f"count:{leaf['count']}")
        self.choose(f"{row}-operator", leaf["operator"] + other)
        if leaf["operator"] == "between":
            self.fill(f"{row}-value2", str(value[1]))
            value = value[0]
        elif leaf["operator"] in ("newer_than", "older_than", "not_handled_within"):
            self.fill(f"{row}-unit", value[-1])
            value = value[:-1]
        if value is not None:
            self.fill(f"{row}-value", value)
        if "count" in leaf:
            self.add_conditions(f"{row}-where-", leaf["where"])

    def fill_all(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.fill(name, value)

    def fill(self, id: str, value: Any) -> None:
        """By what kind of input it is; those under "More options" are opened first."""
        field = self.page.locator(f"#{id}")
        kind = field.evaluate("field => field.type || field.tagName")
        if not field.is_visible():
            field.locator("xpath=ancestor::details[1]/summary").click()
        if kind == "select-one":
            field.select_option(str(value))
        elif kind in ("fieldset", "UL"):
            self.check(id, value)
        elif kind == "checkbox":
            field.set_checked(value)
        else:
            field.fill(", ".join(value) if isinstance(value, list) else str(value))

    def choose(self, id: str, value: str) -> None:
        """Choose in a list that decides which inputs follow."""
        if self.page.locator(f"#{id}").input_value() != value:
            self.fill(id, value)
            self.settle()

    def check(self, id: str, value: Any) -> None:
        wanted = value if isinstance(value, list) else [value]
        for box in self.page.locator(f"#{id} input[name={id}]").all():
            if box.get_attribute("type") == "radio":
                if box.input_value() in wanted:
                    box.check()
            else:
                box.set_checked(box.input_value() in wanted)

    def press(self, id: str) -> str:
        """Press a button of the form; returns the id of the focused element."""
        self.page.locator(f"#{id}").click()
        self.wait()
        return str(self.page.evaluate("document.activeElement.id"))

    def settle(self) -> None:
        """Wait until the page shows the inputs that fit the choice."""
        if not self.has_script:
            self.page.get_by_role("button", name="Show the inputs").click()
        self.wait()

    def wait(self) -> None:
        if self.has_script:
            self.page.wait_for_function(QUIET)
        else:
            self.page.wait_for_load_state()

    def go_on(self, question: str) -> None:
        self.page.get_by_role("button", name="Next", exact=True).last.click()
        expect(self.page.get_by_role("heading", name=question)).to_be_visible()
        if self.has_script:
            self.page.wait_for_function(LISTENING)


def _opened(node: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    if "not" in node:
        return "none", node["not"]["any"]
    return ("all", node["all"]) if "all" in node else ("any", node["any"])
