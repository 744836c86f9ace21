"""The records with which a run continues when the monthly budget of a site does not pay for all of them."""

from collections.abc import Mapping
from functools import partial

from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.runs import record_claims, site_budgets
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.gate_verdict import Admission, OutOfCredits, Stop, stop_of
from app.business.automation.services.runs.pricing import affordable_units, known_price, step_price
from app.business.automation.services.runs.record_claim_settling import free_begun
from app.business.automation.services.runs.record_selection import Choice, choose_records
from app.business.automation.services.runs.site_budgets import LATER, SiteFit
from app.business.automation.services.runs.start_total import bound_of, start_left, total_used
from app.business.automation.services.runs.steps import Step


def leave_out_sites(session: Session, context: RunContext, admission: Admission) -> None:
    """Leave out records that their site's budget does not pay for; if nothing is left, the credits gate reports it.

    Sites that pay for none of their records do not use up the record limit: the run selects more records of other
    sites.
    """
    first = choice = admission.choice
    fit = _fit(session, context, choice)
    while fit.full and choice.offered is None and choice.free > len(choice.ids):
        context.without_sites |= fit.full
        choice = choose_records(session, context)
        fit = _fit(session, context, choice)
    if not fit.ids:
        return
    admission.records = fit.ids
    _note(session, context, admission, fit)
    if elsewhere := first.free - choice.free:
        admission.notes.append(
            f"{context.plural(elsewhere)} left out of sites whose monthly budget is used up. "
            f"{LATER[context.is_followed]}"
        )


def set_aside(session: Session, context: RunContext, admission: Admission) -> Stop | None:
    """Reserve the price of the records, each for its site's month; the budgets may have changed since they were
    read."""
    prices = partial(site_budgets.price_by_site, session, context)
    fit = site_budgets.hold(session, context, context.run.record_type, admission.records, prices)
    if fit.shortfall is not None:
        return stop_of(fit.shortfall)
    if fit.all_left_out:
        record_claims.free(session, context, fit.all_left_out)
        admission.records = fit.ids
        admission.price = known_price(session, context, fit.ids)
        _note(session, context, admission, fit)
    return None


def set_aside_again(session: Session, context: RunContext, most: int) -> Stop | None:
    """Reserve the remaining price of a retried or recovered run, at most `most` credits; what a site does not pay
    for is left to a follow-up."""
    records, options = list(context.detail.records or []), context.detail.options
    # Records may cost more than before (a task with more words), but never more than the rest of the run's limit.
    prices = site_budgets.capped(partial(site_budgets.price_by_site, session, context), most)
    of_start, needed = start_left(session, context), sum(prices(records).values())
    if of_start is not None and needed > of_start:
        return total_used(context, needed, of_start)
    fit = site_budgets.hold(session, context, context.run.record_type, records, prices)
    if fit.shortfall is not None:
        return stop_of(fit.shortfall)
    if left_out := fit.all_left_out:
        free_begun(session, context, left_out)
        notes = site_budgets.notes_of(session, context, context.run.record_type, fit.left_out)
        context.detail.records, context.run.record_count = fit.ids, len(fit.ids)
        context.detail.options = options | {
            "left_over": [*options.get("left_over", []), *left_out],
            "notes": [*options.get("notes", []), *notes],
        }
    return None


def set_aside_step(
    session: Session, context: RunContext, step: Step, ids: list[int], left: int
) -> tuple[set[int], list[str]]:
    """Increase the hold by the price of a later step, within `left` credits of the run and the sites' budgets.

    Returns the records that are paid for, and a note on those left to a follow-up. Raises OutOfCredits if there are
    none.
    """
    if not step.entry.is_paid:
        return set(ids), []
    price = step_price(session, context.account.id, step, ids)
    sites = site_budgets.sites_of(session, step.record_type, ids)

    def prices(some: list[int]) -> Mapping[int, int]:
        return price.by_site(some, sites)

    fit = site_budgets.within_rooms(session, context, step.record_type, ids, prices)
    notes = site_budgets.notes_of(session, context, step.record_type, fit.left_out) if fit.ids else []
    wanted, of_start = fit.ids or ids, start_left(session, context)
    taken = affordable_units(price, wanted, left if of_start is None else min(left, of_start))
    if len(taken) < len(wanted):
        of_all = f"{len(taken)} of {plural(len(wanted), step.record_type)}"
        notes.append(f"{of_all}: {bound_of(context, left, of_start)} no more.")
    held = site_budgets.hold(session, context, step.record_type, taken, prices)
    if held.shortfall is not None:
        raise OutOfCredits(held.shortfall)
    notes += site_budgets.notes_of(session, context, step.record_type, held.left_out)
    return set(held.ids), notes


def _fit(session: Session, context: RunContext, choice: Choice) -> SiteFit:
    prices = partial(site_budgets.price_by_site, session, context)
    return site_budgets.within_rooms(session, context, context.run.record_type, choice.ids, prices)


def _note(session: Session, context: RunContext, admission: Admission, fit: SiteFit) -> None:
    admission.left_over += fit.all_left_out
    admission.notes += site_budgets.notes_of(session, context, context.run.record_type, fit.left_out)
