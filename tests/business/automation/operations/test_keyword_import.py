"""An import is written once whatever happens to its process, and a cancelled one takes back what nobody touched."""

import random
from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import RuleRecord
from app.business.automation.operation_models import Operation
from app.business.automation.services.operations import keyword_import, lifecycle
from app.business.automation.services.operations.keyword_import import any_to_settle, settle_imports
from app.business.errors import Conflict
from app.business.events import Event
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.import_file import FileChoices, read_import_file
from app.business.planner.services.import_parts import Destination, WritePace
from app.business.planner.services.keyword_service import update_keyword
from tests.business.automation.operations.import_trials import KNOWN, Trial, begin, kill
from tests.business.automation.rule_parts import LABEL
from tests.business.planner.stories import person
from tests.sampling import times

PARTS = 10


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rows a part, and no pause between them."""
    monkeypatch.setattr(keyword_import, "WritePace", lambda: WritePace(timer=lambda: 0.0, rows=5))
    monkeypatch.setattr(WritePace, "LARGEST", 5)
    monkeypatch.setattr(keyword_import, "pause", lambda _seconds: None)


def commits_of_an_import(session: Session) -> int:
    trial = begin(session)
    assert trial.execute()
    assert trial.wrong() == []
    return trial.commits


def test_killed_at_any_commit_it_is_finished_once(session: Session) -> None:
    commits = commits_of_an_import(session)
    assert commits >= PARTS + 4
    every = range(1, commits + 1)
    for number in times(full=every, sample=[*every[::4], commits]):
        for side in ("before", "after"):
            trial = begin(session)
            getattr(trial, side)[number] = kill
            died = not trial.execute()
            trial.before, trial.after = {}, {}
            trial.heal()
            trial.execute()
            assert (died, trial.wrong()) == (True, []), f"{side} commit {number}"


def test_killed_again_and_again_at_random_it_is_finished_once(session: Session) -> None:
    for seed in range(times(full=200, sample=4)):
        chance, trial = random.Random(seed), begin(session)
        kills = 0
        while True:
            trial.before = {chance.randint(4, 7): kill} if chance.random() < 0.5 else {}
            trial.after = {} if trial.before else {chance.randint(3, 7): kill}
            if trial.execute():
                break
            kills += 1
            trial.heal()
        assert (kills > 3, trial.wrong()) == (True, []), f"seed {seed}"


def test_what_gets_nowhere_is_given_up_and_its_keywords_are_told_of(session: Session) -> None:
    trial = begin(session)
    trial.before = {4: kill}
    assert not trial.execute()
    trial.before = {2: kill}
    for _ in range(3):
        trial.heal()
        trial.execute()
    trial.heal()
    found = trial.found()
    assert (trial.operation.state, found.state) == ("failed", "importing")
    assert any_to_settle(session)
    settle_imports(session, trial.machine.now)
    session.commit()
    assert (found.state, found.position, trial.operation.result["created"]) == ("failed", 5, found.created)
    assert trial.count(Event.id) == found.created > 0
    assert not any_to_settle(session)


def taken_over(trial: Trial, parts: int) -> Callable[[], None]:
    """Right before a commit of the old process a sweep gives the import to another one, which writes some parts."""

    def take_over() -> None:
        trial.session.rollback()
        trial.heal()
        other = Trial(trial.session, trial.sector, trial.operation, trial.machine)
        other.before = {3 + parts: kill}
        other.execute()

    return take_over


def zombie(session: Session, number: int) -> tuple[Trial, int, int]:
    """A process that lives on after its commit `number` while another one works: rows before and after its return."""
    trial, stood = begin(session), []

    def meanwhile() -> None:
        taken_over(trial, parts=2)()
        stood.append(trial.found().position)
        session.rollback()

    trial.after = {number: meanwhile}
    trial.execute()
    return trial, stood[0], trial.found().position


def test_a_process_that_lost_its_lease_writes_nothing_more(session: Session) -> None:
    for number in range(3, 9):
        trial, stood, stands = zombie(session, number)
        assert stands == stood
        trial.after = {}
        trial.heal()
        trial.execute()
        assert trial.wrong() == []


def test_this_trial_would_notice_a_missing_token(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_held", lambda id, _token: Operation.id == id)
    _, stood, stands = zombie(session, 5)
    assert stands > stood


def touch_some(trial: Trial) -> int:
    """One new keyword is edited, one clustered-tried, one taken by a rule; returns how many there were."""
    session, now = trial.session, trial.machine.now
    texts = Keyword.account_id == trial.sector.account_id, Keyword.text.like("new %")
    edited, tried, claimed = session.scalars(
        select(Keyword).where(*texts).order_by(Keyword.id).limit(3)
    ).all()
    update_keyword(session, edited, {"note": "ours"}, origin=person(trial.sector), now=now)
    session.execute(update(Keyword).where(Keyword.id == tried.id).values(cluster_tried_at=now))
    account = session.get_one(Account, trial.sector.account_id)
    rule = trial.machine.make_rule(account, trigger="keyword_added", actions=[LABEL])
    session.add(
        RuleRecord(
            account_id=rule.account_id,
            rule_id=rule.id,
            record_type="keyword",
            record_id=claimed.id,
            state="claimed",
            run_id=1,
            updated_at=now,
        )
    )
    session.commit()
    return 3


def wrong_after_cancel(trial: Trial, touched: int) -> list[str]:
    found = trial.found()
    facts = {
        "states": ((trial.operation.state, found.state), ("cancelled", "cancelled")),
        "left": (found.left, touched),
        "taken back": (found.taken_back + found.left, found.created),
        "keywords": (trial.count(Keyword.id), KNOWN + touched),
        "events": (trial.count(Event.id), touched),
        "sectors": (trial.count(Sector.id), 2 if touched else 1),
        "result": (trial.operation.result.get("taken_back"), found.taken_back),
    }
    return [f"{name}: {is_} instead of {wanted}" for name, (is_, wanted) in facts.items() if is_ != wanted]


def test_cancelled_anywhere_it_takes_back_what_nobody_touched(session: Session) -> None:
    for number in range(1, PARTS + 1):
        for touches in (False, True):
            trial, touched = begin(session), 0

            def stop(trial: Trial = trial, touches: bool = touches) -> None:
                nonlocal touched
                touched = touch_some(trial) if touches and trial.found().created >= 3 else 0
                trial.cancel()

            trial.after = {number: stop}
            trial.execute()
            assert wrong_after_cancel(trial, touched) == [], f"after commit {number}"


def test_killed_while_it_takes_back_it_goes_on_taking_back(session: Session) -> None:
    for seed in range(times(full=100, sample=3)):
        chance, trial = random.Random(seed), begin(session)
        trial.after = {8: trial.cancel}
        trial.before = {chance.randint(9, 10): kill}
        assert not trial.execute()
        trial.before, trial.after = {}, {chance.randint(2, 3): kill}
        for _ in range(2):
            trial.heal()
            trial.execute()
            trial.after = {}
        assert wrong_after_cancel(trial, 0) == [], f"seed {seed}"


def test_a_cancelled_one_that_has_not_begun_leaves_nothing(session: Session) -> None:
    trial = begin(session)
    trial.cancel()
    settle_imports(session, trial.machine.now)
    session.commit()
    assert wrong_after_cancel(trial, 0) == []
    assert not trial.execute() or trial.commits <= 1


def test_one_that_waits_for_another_worker_is_cancelled_by_it(session: Session) -> None:
    trial = begin(session)
    trial.after = {6: kill}
    trial.execute()
    trial.after = {}
    trial.heal()
    trial.cancel()
    assert trial.operation.state == "pending"
    trial.execute()
    assert wrong_after_cancel(trial, 0) == []


def test_an_account_has_few_imports_under_way(session: Session) -> None:
    trial = begin(session)
    for _ in range(4):
        again(trial)
    with pytest.raises(Conflict, match="5 imports of this account are under way"):
        again(trial)


def again(trial: Trial) -> None:
    site = trial.sector.site
    file = read_import_file(b"keyword\nmore\n", FileChoices({}, None, (site.id, "en"), True))
    to = Destination(site, trial.sector)
    keyword_import.ask_import(
        trial.session, file, to, account_id=site.account_id, user_id=None, existing="leave", here=False,
        now=trial.machine.now,
    )  # fmt: skip
