"""Signatures are written and checked as Standard Webhooks defines them: vectors of its reference libraries."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from app import ROOT
from app.infrastructure.webhooks.signature import ID, SIGNATURE, TIMESTAMP, is_signed, signed_headers

VECTORS: list[dict[str, Any]] = json.loads((ROOT / "tests/data/standard_webhooks.json").read_text())


@pytest.mark.parametrize("vector", [one for one in VECTORS if one["valid"]], ids=lambda one: one["name"])
def test_the_signature_of_a_vector_is_ours(vector: dict[str, Any]) -> None:
    given = vector["headers"]
    # In another zone: the instant counts.
    at = datetime.fromtimestamp(int(given["webhook-timestamp"]), timezone(timedelta(hours=5)))
    headers = signed_headers([vector["secret"]], given["webhook-id"], at, vector["payload"])
    assert headers["webhook-signature"] in given["webhook-signature"].split()
    assert headers["webhook-timestamp"] == given["webhook-timestamp"]


def test_while_a_secret_is_renewed_either_one_verifies() -> None:
    secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
    body = '{"type":"run.completed","data":"ü"}'
    headers = signed_headers(secrets, "msg_1", datetime.now(UTC), body)
    assert len(headers["webhook-signature"].split()) == 2
    for secret in secrets:
        assert Webhook(secret).verify(body.encode(), headers) == json.loads(body)


@pytest.mark.parametrize(
    "vector", [one for one in VECTORS if one["secret"] not in ("", "whsec_")], ids=lambda one: one["name"]
)
def test_a_vector_is_accepted_or_refused_as_by_the_reference_libraries(vector: dict[str, Any]) -> None:
    with time_machine.travel(datetime.fromtimestamp(vector["now"], UTC), tick=False):
        assert is_signed(vector["secret"], vector["headers"], vector["payload"].encode()) == vector["valid"]


SECRET, BODY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"a": 1}'
FORGED = ["v1", "v1,", "v1,A", "v1,AAAA,AAAA", "v1a,AAAA", ",", "v1,é", "v1,====", "v9,AAAA"]


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_no_signature_is_refused_and_does_not_hide_one_that_is_right(forged: str) -> None:
    headers = signed_headers([SECRET], "msg_1", datetime.now(UTC), BODY)
    right = headers[SIGNATURE]
    assert not is_signed(SECRET, headers | {SIGNATURE: forged}, BODY.encode())
    for beside in (f"{forged} {right}", f"{right}  {forged}"):
        assert is_signed(SECRET, headers | {SIGNATURE: beside}, BODY.encode())


@given(
    headers=st.dictionaries(st.sampled_from([ID, TIMESTAMP, SIGNATURE]), st.text()),
    body=st.binary(),
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_sent_without_the_secret_is_refused(headers: dict[str, str], body: bytes) -> None:
    now = signed_headers(["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"], "msg_1", datetime.now(UTC), BODY)
    assert not is_signed(SECRET, now | headers, body)
