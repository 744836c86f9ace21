"""What a process keeps so as not to work it out again has a bound, and the bound is affordable."""

import gc
import inspect
import pkgutil
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

from flask import Flask
from sqlalchemy.orm import Session

import app as product
from app.business import kept_queries
from app.business.planner.services import page_doubles, search_stems
from tests.bench import many_runs
from tests.bench.pages import places_of
from tests.deep_size import deep_size
from tests.people import browser_of, make_people, program_of

RUNS, DAYS = 200, 4
MEGABYTE = 2**20
MOST, MOST_TOGETHER = 12 * MEGABYTE, 110 * MEGABYTE
"""Of what one function returned, and of all."""
MOST_OF_FORMS = 32 * MEGABYTE
OF_CHILDREN = (search_stems.__name__, page_doubles.__name__)
"""Used where many texts are compared, by processes that end soon."""
LOOKED_AT = {
    "dashboard, 24 hours", "dashboard, 90 days", "dashboard, 90 days of a site", "grid of rules and days", "credits",
    "system health", "rules", "a rule", "a run", "calendar", "my work", "search", "history, all", "history, a site",
    "history, absent text", "history, failures of a rule", "API, summary", "API, forecast", "API, rules", "API, ledger",
}  # fmt: skip
WITHOUT_BOUND = {
    "app.business.accounts.services.passwords._nobodys": "the hasher",
    "app.business.automation.services.triggering.rhythm._day": "24 hours, weekend or not",
    "app.business.folded_columns.folds_of": "tables",
    "app.business.planner.services.search_words.base_language": "the languages that a site can choose",
    "app.infrastructure.mail.message._template": "text and HTML",
    "app.modules.automation.rule_form.conditions.fields.field_choices": "types of records",
    "app.modules.automation.rule_form.conditions.fields.other_fields": "types of records, and their fields",
    "app.modules.openapi.document.document_of": "the application",
    "app.modules.web._fingerprint": "files of our own",
}
"""Caches with few keys, and what they are."""
Cache = type(lru_cache(len))


def everything() -> set[int]:
    """The address of each thing there is."""
    gc.unfreeze()
    found = {id(one) for one in gc.get_objects()}
    gc.freeze()
    return found


def name_of(cache: Any) -> str:
    return f"{cache.__module__}.{cache.__qualname__}"


def caches() -> list[Any]:
    """Of all modules of the product."""
    found = {}
    for module in pkgutil.walk_packages(product.__path__, "app."):
        loaded = import_module(module.name)
        found |= {id(one): one for one in vars(loaded).values() if isinstance(one, Cache)}
    return [one for one in found.values() if one.__module__.startswith("app.")]


def test_what_has_no_bound_has_few_keys() -> None:
    unbounded = [one for one in caches() if one.cache_info().maxsize is None]
    assert {name_of(one) for one in unbounded if inspect.signature(one).parameters} == set(WITHOUT_BOUND)


def test_all_that_is_kept_is_affordable(app: Flask, session: Session) -> None:
    """By the size of what there is after a look at each page, if there were as much of it as may be."""
    app.config["RATELIMIT_ENABLED"] = False
    kept_here = [one for one in caches() if not one.__module__.startswith(OF_CHILDREN)]
    for cache in kept_here:
        cache.cache_clear()
    kept_queries._forms.clear()
    known = everything()
    people, now = make_people(session), datetime.now(UTC)
    filled = many_runs.fill(session, people, RUNS, now, DAYS)
    browser, program = browser_of(app, session, people.owner), program_of(app, session, people.owner)
    for place in (place for place in places_of(filled, now) if place.name in LOOKED_AT):
        assert (program if place.is_api else browser).get(place.address).status_code in (200, 204)

    forms = list(kept_queries._forms.values())
    assert kept_queries.FORMS * deep_size(*forms, known=known) // len(forms) < MOST_OF_FORMS
    known |= {id(form) for form in forms}
    at_most = {}
    for cache in kept_here:
        info = cache.cache_info()
        if info.maxsize and info.currsize:
            at_most[name_of(cache)] = (
                info.maxsize * deep_size(*gc.get_referents(cache), known=known) // info.currsize
            )
    assert {name: size for name, size in at_most.items() if size > MOST} == {}
    assert sum(at_most.values()) < MOST_TOGETHER
