"""Our signatures are those of Standard Webhooks: the vectors of its reference libraries, and the library itself."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from standardwebhooks import Webhook

from app import ROOT
from app.infrastructure.webhooks.signature import signed_headers

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
