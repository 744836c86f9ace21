"""Every call of the API is declared, declarations are checked, and bodies are parsed once, as strict JSON."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask import Flask, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, ValidationError

from app.business.accounts.models import Role
from app.business.errors import Conflict, Invalid, NotFound, Stale
from app.modules.api.bodies import Changes, NothingSent
from app.modules.api.declaration import ApiBlueprint, Call, declared_calls
from app.modules.api.fields import IsoInstant
from app.modules.api.resource import Listed, Query, Schema, Window, checked, report
from app.modules.api.sentences import sentences_of
from app.modules.automation.api.serializers import PreviewAsked, RetryRuns
from app.modules.planner.serializers import KeywordChanges, KeywordNew
from app.modules.planner.site_serializers import SiteNew
from app.modules.quotas import BACK_TESTS
from app.modules.writer.serializers import ContentChanges, TaskNew
from tests.declared_answers import check_answer
from tests.sampling import times


@pytest.fixture(scope="module")
def shared_app(kept_apps: Callable[[str], Flask], sqlite_url: str) -> Flask:
    return kept_apps(sqlite_url)


def test_every_model_of_the_api_is_built_at_its_first_use(shared_app: Flask) -> None:
    """Built when they are loaded, they would take a twelfth of the time of a start, and 9 MB."""
    found, waiting = list[type[BaseModel]](), [BaseModel]
    while waiting:
        of = waiting.pop().__subclasses__()
        ours = (model for model in of if model.__module__.startswith("app.modules."))
        found += [model for model in ours if not issubclass(model, RootModel)]
        waiting += of
    assert len(found) > 100
    assert [model.__name__ for model in found if not model.model_config.get("defer_build")] == []


def test_every_address_of_the_api_is_a_declared_call(shared_app: Flask) -> None:
    calls = declared_calls(shared_app)
    addresses = {
        entry.endpoint
        for entry in shared_app.url_map.iter_rules()
        if entry.rule.startswith("/api/") and not entry.rule.startswith("/api/docs")
    }
    assert addresses == calls.keys()
    for entry in shared_app.url_map.iter_rules():
        if call := calls.get(entry.endpoint):
            assert (call.path, {call.method}) == (entry.rule, (entry.methods or set()) - {"HEAD", "OPTIONS"})


def test_a_document_can_be_made_of_the_declarations(shared_app: Flask) -> None:
    """Each call has a description, and types that can be converted to a JSON schema."""
    for name, call in declared_calls(shared_app).items():
        assert call.description.endswith("."), name
        assert {200, 201, 202, 204} >= call.answers.keys() > set(), name
        schemas = [call.query, call.body and call.body.schema, *call.answers.values()]
        for schema in schemas:
            if isinstance(schema, type) and issubclass(schema, BaseModel):
                assert schema.model_json_schema(mode="serialization"), name


def test_the_declaration_of_a_call(shared_app: Flask) -> None:
    calls = declared_calls(shared_app)
    execute, listing = calls["automation_api.execute_rule"], calls["automation_api.list_runs"]
    assert (execute.is_idempotent, execute.waits, execute.if_match) == (True, True, True)
    assert execute.body
    assert not execute.body.is_required
    assert {400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503} == execute.error_statuses
    assert listing.is_list
    assert {400, 401, 403, 422, 429, 503} == listing.error_statuses
    assert calls["automation_api.back_test"].quota == BACK_TESTS
    upload = calls["planner_api.import_keywords"].body
    assert upload
    assert upload.media_type == "multipart/form-data"
    nothing = calls["automation_api.cancel_run"].body
    assert nothing
    assert (nothing.schema, nothing.is_required) == (NothingSent, False)


def test_a_signature_that_nothing_can_fill_is_refused() -> None:
    api = ApiBlueprint("odd", __name__)
    with pytest.raises(TypeError, match="nothing gives site"):

        @api.call("GET", "/odd/<int:id>/", Role.VIEWER, answers={200: Thing})
        def odd(id: int, site: int) -> Response:
            raise AssertionError

    with pytest.raises(TypeError, match="is no body"):

        @api.call("POST", "/odd/", Role.VIEWER, answers={200: Thing})
        def no_body(body: int) -> Response:
            raise AssertionError


class Thing(BaseModel):
    """A response."""

    id: int
    at: IsoInstant
    note: str = ""


@pytest.mark.parametrize(
    ("body", "is_true"),
    [({"id": 1, "at": "2026-11-24T09:00:00+01:00"}, True),
     ({"id": 1, "at": "2026-11-24T09:00:00+01:00", "note": "x"}, True),
     ({"id": 1, "at": "2026-11-24T09:00:00Z"}, False), ({"id": "1", "at": "2026-11-24T09:00:00+00:00"}, False),
     ({"id": 1}, False), ({"id": 1, "at": "2026-11-24T09:00:00+00:00", "more": 1}, False)],
)  # fmt: skip
def test_an_answer_of_another_type_than_declared_is_found(
    shared_app: Flask, body: dict[str, Any], is_true: bool
) -> None:
    call = Call("GET", "/things/", Role.VIEWER, {200: Thing, 204: None})
    with shared_app.test_request_context():
        response = Response(json.dumps(body), content_type="application/json")
        if is_true:
            check_answer(call, response)
            return
        with pytest.raises((AssertionError, ValidationError)):
            check_answer(call, response)


@pytest.mark.parametrize(
    ("call", "status", "is_declared"),
    [(Call("GET", "/a/", Role.VIEWER, {}), 201, False), (Call("GET", "/a/", Role.VIEWER, {}), 404, False),
     (Call("GET", "/a/<int:id>/", Role.VIEWER, {}), 404, True), (Call("GET", "/a/", Role.VIEWER, {}), 412, False),
     (Call("GET", "/a/", Role.VIEWER, {}, if_match=True), 412, True),
     (Call("GET", "/a/", Role.VIEWER, {}, (Conflict,)), 409, True), (Call("GET", "/a/", Role.VIEWER, {}), 409, False),
     (Call("GET", "/a/", Role.VIEWER, {}), 429, True), (Call("GET", "/a/", Role.VIEWER, {}), 422, False)],
)  # fmt: skip
def test_a_status_that_is_not_declared_is_found(
    shared_app: Flask, call: Call, status: int, is_declared: bool
) -> None:
    with shared_app.test_request_context():
        response = Response("{}", status, content_type="application/problem+json")
        if is_declared:
            check_answer(call, response)
            return
        with pytest.raises(AssertionError, match=f"{status} is not declared"):
            check_answer(call, response)


def test_errors_go_by_name() -> None:
    class Odd(Query):
        name: str = ""

    def change(id: int, query: Odd, window: Window, body: Changes[SiteNew]) -> Response:
        raise AssertionError

    api = ApiBlueprint("odd", __name__)
    api.call("PATCH", "/odd/<int:id>/", Role.EDITOR, answers={200: Listed[Thing]}, if_match=True)(change)
    app = Flask(__name__)
    app.register_blueprint(api)
    (call,) = declared_calls(app).values()
    assert {Conflict, Invalid, NotFound, Stale} < call.all_errors
    assert (call.query, call.is_list, call.body and call.body.schema) == (Odd, True, SiteNew)


def test_keys_that_were_not_set_are_left_out_of_an_answer(shared_app: Flask) -> None:
    with shared_app.test_request_context():
        shown = report(Thing(id=1, at=datetime(2026, 11, 24, 9, tzinfo=UTC)))
    assert shown.get_json() == {"id": 1, "at": "2026-11-24T09:00:00+00:00"}


# --- one reading of a body: the judge is pydantic's own strict reading of JSON text

SCHEMAS = (KeywordNew, KeywordChanges, SiteNew, TaskNew, ContentChanges, RetryRuns, PreviewAsked)
TEXTS = st.sampled_from([
    "", "new", "queued", "write", "failed", "schedule", "action_failed", "informational", "1", "true", "²",
    "2026-11-24", "2026-02-30", "2026-11-24T09:00:00", "2026-11-24T09:00:00Z", "2026-11-24T09:00:00+25:00",
    "2026-11-24 09:00", "1700000000", "1700000000.5", "0001-01-01T00:00:00Z", "99999-01-01",
])  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | TEXTS
    | st.sampled_from([0, 1, -1, 1.0, 1.5, 2**31, 2**63, 10**30, 10**308, 1e300])
)
VALUES = LEAVES | st.lists(LEAVES, max_size=2) | st.dictionaries(TEXTS, LEAVES, max_size=2)
BODIES = st.sampled_from(SCHEMAS).flatmap(
    lambda schema: st.tuples(
        st.just(schema),
        st.dictionaries(st.sampled_from([*schema.model_fields, "unknown"]), VALUES, max_size=4),
    )
)


@settings(
    max_examples=times(full=3_000, sample=150),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(BODIES)
def test_a_body_is_parsed_as_strict_json(case: tuple[type[Schema], dict[str, Any]]) -> None:
    schema, body = case
    assert _read(schema, lambda: checked(schema, body)) == _read(
        schema, lambda: schema.model_validate_json(json.dumps(body))
    )


@pytest.mark.parametrize(
    ("schema", "body", "sentence"),
    [(TaskNew, {"due_on": 5}, "It must be a valid date."),
     (TaskNew, {"due_on": "2026-13-01"}, "It must be a valid date in the format YYYY-MM-DD, month value is outside "
      "expected range of 1-12."),
     (TaskNew, {"labels": "x"}, "It must be a valid array."), (PreviewAsked, {"context": 1}, "It must be an object."),
     (TaskNew, {"task_type": "x"}, "Choose one of: write, refresh, link, report."),
     (TaskNew, {"word_count": True}, "It must be a valid integer."),
     (TaskNew, {"word_count": 0}, "It must be greater than or equal to 1."), (SiteNew, {}, "This is required."),
     (PreviewAsked, {"after": "1800-01-01T00:00:00Z"}, "Choose a year from"), (TaskNew, {"odd": 1}, "cannot be set.")],
)  # fmt: skip
def test_errors_use_the_words_of_json(schema: type[Schema], body: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid) as refusal:
        checked(schema, body)
    assert sentence in str(refusal.value.errors), refusal.value.errors


def _read(schema: type[Schema], read: Any) -> Any:
    try:
        return read()
    except Invalid as refusal:
        return refusal.errors
    except ValidationError as error:
        return sentences_of(schema, error)


def test_times_are_strict() -> None:
    assert checked(TaskNew, {"due_on": "2026-11-24"}).due_on == date(2026, 11, 24)
    asked = checked(RetryRuns, {"as_of": "2026-11-24T09:00:00Z"})
    assert asked.as_of == datetime(2026, 11, 24, 9, tzinfo=UTC)
