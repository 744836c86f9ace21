"""Every form of the URL map with random, odd and missing values: no fault, and nothing changed on a refusal."""

from random import Random

from flask import Flask
from sqlalchemy.orm import Session

from tests.fuzz.world import NAMES, ODD, fingerprint, make_world, share, steady, within_time


def test_random_forms(app: Flask, session: Session) -> None:
    (posts, seed), faults = share(session), []
    world, rng = make_world(app, session), Random(seed)
    steady(app)
    try:
        forms = world.forms()
        assert len(forms) > 30
        for number in range(posts):
            action, fields = forms[number % len(forms)] if number < len(forms) else rng.choice(forms)
            data = mutated(rng, fields)
            before = fingerprint(session) if number % 5 == 0 else None
            with within_time((action, data)):
                answer = world.browser.post(
                    action, data=data, headers=rng.choice([{}, {"HX-Request": "true"}])
                )
            if answer.status_code >= 500:
                faults.append((action, data))
            if before and answer.status_code >= 400:
                assert fingerprint(session) == before, (action, data)
            session.rollback()
    finally:
        app.config.update(PROPAGATE_EXCEPTIONS=None, RATELIMIT_ENABLED=True)
    assert faults == []


def mutated(rng: Random, fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Some fields left out, some with odd values, some that do not belong there."""
    data: dict[str, list[str]] = {}
    for name, value in fields:
        roll = rng.random()
        if roll > 0.15 and name != "csrf_token":
            data.setdefault(name, []).append(rng.choice(ODD) if roll < 0.55 else value)
    for _ in range(rng.randrange(5)):
        data.setdefault(rng.choice(NAMES), []).append(rng.choice(ODD))
    return data
