"""Every call of the API document with generated requests, valid and broken ones: no fault, no hang, no answer that the
document does not name.

Requests, and what is checked of answers, come from Schemathesis, which knows nothing but the document.
"""

from typing import Any

import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from sqlalchemy.orm import Session

from tests.fuzz.world import World, make_world, share, steady, within_time

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WAITING = ("execute_rule", "test_ai")
"""They wait on purpose, or ask a service outside."""


def test_the_api_answers_whatever_is_sent(app: Flask, session: Session) -> None:
    requests, number = share(session)
    world = make_world(app, session)
    steady(app)
    headers = {"Authorization": world.api.environ_base["HTTP_AUTHORIZATION"], "Accept-Encoding": "identity"}
    document = schemathesis.openapi.from_wsgi("/api/openapi.json", app, headers=headers)

    @seed(number)
    @settings(
        max_examples=requests,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests_of(document))
    def call(case: Case[Any]) -> None:
        _send(world, case, headers)
        session.rollback()

    try:
        call()
    finally:
        app.config.update(PROPAGATE_EXCEPTIONS=None, RATELIMIT_ENABLED=True)


def requests_of(document: BaseSchema) -> st.SearchStrategy[Case[Any]]:
    """Requests of every call, as the document describes them, and such that break it somewhere."""
    calls = [result.ok() for result in document.get_all_operations() if isinstance(result, Ok)]
    found = [
        call.as_strategy(generation_mode=mode)
        for call in calls
        if call.definition.raw["operationId"] not in WAITING
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    ]
    return st.one_of(found)


def _send(world: World, case: Case[Any], headers: dict[str, str]) -> None:
    for name in case.path_parameters or {}:
        # An id that is there in half of the requests: most random ones lead nowhere.
        if str(case.path_parameters[name])[-1:] in "02468":
            case.path_parameters[name] = _id_of(world, case.path)
    with within_time((case.method, case.formatted_path)):
        answer = case.call(headers=headers)
    case.validate_response(answer, checks=CHECKS)


def _id_of(world: World, path: str) -> str:
    return world.address(path.replace("{id}", "<int:id>")).split("/")[4]
