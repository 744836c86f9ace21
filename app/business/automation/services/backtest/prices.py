"""Upper bound of the price of a replayed run, by the same prices as real runs, loaded for many records at once."""

from collections.abc import Sequence

from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.catalogue.actions.registry import explicit_ids
from app.business.automation.services.catalogue.record_models import known_ids
from app.business.automation.services.rules.cost import credits_of_actions
from app.business.automation.services.runs.pricing import StepPrice, step_price
from app.business.automation.services.runs.steps import Step, parents_of, steps_over
from app.business.automation.services.transactions import Transaction
from app.business.outlets.services.ai_connections import is_connected

CHUNK = 5_000


class Prices:
    """Call `load` for the records first; then runs over any of them are priced without a query."""

    def __init__(self, trial: Trial, read: Transaction) -> None:
        self.trial, self.read = trial, read
        steps = steps_over(trial.definition.actions, trial.definition.record_type)
        self.known = [step for step in steps if step.known_at_start and step.source != "run"]
        self.later = [place for place, step in enumerate(steps) if not step.known_at_start]
        with read() as session:
            self._connected = is_connected(session, trial.account_id)
        self._measures = {step.index: StepPrice(step, {}, self._connected) for step in self.known}
        self._parents: dict[int, dict[int, int]] = {step.index: {} for step in self.known}
        self._loaded: set[int] = set()
        self._later: dict[int, int] = {}
        self._explicit = {
            step.index: self._load_explicit(step) for step in self.known if step.source == "explicit"
        }

    @property
    def is_estimate(self) -> bool:
        """Whether some action works on records that an earlier one creates, so that its price can only be estimated."""
        return bool(self.later)

    @property
    def are_free(self) -> bool:
        """Whether no record costs anything."""
        return not self.later and all(not step.entry.is_paid for step in self.known)

    def load(self, ids: Sequence[int]) -> None:
        """Load what the prices of these records depend on."""
        missing = [] if self.are_free else [record_id for record_id in ids if record_id not in self._loaded]
        for start in range(0, len(missing), CHUNK):
            self._load(missing[start : start + CHUNK])
        self._loaded.update(missing)

    def of(self, records: list[int]) -> int:
        """Upper bound of the credits of steps whose records are known before the run: what a run holds at its start."""
        if self.are_free:
            return 0
        return sum(self._measures[step.index].amount(self._input(step, records)) for step in self.known)

    def of_later_steps(self, records: int) -> int:
        """Estimated credits of the steps over records created in the run."""
        if not self.later:
            return 0
        if records not in self._later:
            credits = credits_of_actions(self.trial.definition, records, connected=self._connected)
            self._later[records] = sum(credits[place] for place in self.later)
        return self._later[records]

    def _load(self, ids: list[int]) -> None:
        record_type = self.trial.definition.record_type or ""
        with self.read() as session:
            for step in self.known:
                if step.source == "explicit":
                    continue
                wanted = ids
                if step.source == "parents":
                    parents = parents_of(session, record_type, step.record_type or "", ids)
                    self._parents[step.index] |= parents
                    wanted = list(dict.fromkeys(parents.values()))
                self._measures[step.index].measured.update(
                    step_price(session, self.trial.account_id, step, wanted).measured
                )

    def _load_explicit(self, step: Step) -> list[int]:
        ids = explicit_ids(step.action) or []
        with self.read() as session:
            known = known_ids(session, step.record_type or "", ids, self.trial.account_id)
            found = [record_id for record_id in ids if record_id in known]
            self._measures[step.index].measured.update(
                step_price(session, self.trial.account_id, step, found).measured
            )
        return found

    def _input(self, step: Step, records: list[int]) -> list[int]:
        match step.source:
            case "explicit":
                return self._explicit[step.index]
            case "parents":
                parents = self._parents[step.index]
                return list(dict.fromkeys(parents[key] for key in records if key in parents))
            case _:
                return records
