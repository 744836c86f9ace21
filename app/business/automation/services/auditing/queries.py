"""The audit's checks that are a single statement: name, what must hold, and the query of rows that break it.

The first column is the account of the row, so that owners are notified of their own rows only. A query with :from_id
and :to_id looks at these runs only (or starts, which have the id of their first run), and is asked again and again
until it has seen all.
"""

QUERIES: dict[str, tuple[str, str]] = {
    "balance": (
        "An account's balance is the sum of its credit entries.",
        "SELECT a.id, a.id, a.credits_balance FROM account a WHERE a.credits_balance <> COALESCE("
        "(SELECT SUM(e.amount) FROM credit_entry e WHERE e.account_id = a.id), 0)",
    ),
    "held": (
        "What an account has set aside is the sum of its open holds.",
        "SELECT a.id, a.id, a.credits_held FROM account a WHERE a.credits_held <> COALESCE("
        "(SELECT SUM(h.amount - h.posted) FROM credit_hold h WHERE h.account_id = a.id AND h.state = 'open'), 0)",
    ),
    "never_negative": (
        "Credits are never negative, nor is more set aside than there is.",
        "SELECT id, id FROM account WHERE credits_balance < 0 OR credits_held < 0 OR credits_held > credits_balance",
    ),
    "run_credits": (
        "A run's credits are the sum of its credit entries.",
        # Most runs use none: those that do, and those that have entries, are found by indexes.
        "SELECT t.account_id, t.id, t.credits_used FROM (SELECT account_id, run_id FROM (SELECT account_id, "
        "id AS run_id, credits_used AS amount FROM scheduled_task WHERE id BETWEEN :from_id AND :to_id "
        "AND credits_used <> 0 UNION ALL SELECT e.account_id, e.run_id, e.amount FROM account a JOIN credit_entry e "
        "ON e.account_id = a.id AND e.run_id BETWEEN :from_id AND :to_id) b "
        "GROUP BY account_id, run_id HAVING SUM(amount) <> 0) s JOIN scheduled_task t ON t.id = s.run_id "
        "AND t.account_id = s.account_id WHERE t.status IN ('completed', 'failed', 'skipped')",
    ),
    "holds_closed": (
        "A run that has ended holds no credits.",
        "SELECT h.account_id, h.run_id FROM credit_hold h JOIN scheduled_task t ON t.id = h.run_id "
        "WHERE h.state = 'open' AND t.status IN ('completed', 'failed', 'skipped')",
    ),
    "charged_within_hold": (
        "No run is charged more than it had set aside.",
        "SELECT account_id, run_id FROM credit_hold WHERE posted < 0 OR posted > amount",
    ),
    "charged_as_held": (
        "Every charge is drawn from what its own run had set aside.",
        "SELECT h.account_id, h.run_id, h.posted FROM credit_hold h WHERE h.run_id BETWEEN :from_id AND :to_id "
        "AND h.posted <> COALESCE((SELECT -SUM(e.amount) FROM credit_entry e WHERE e.account_id = h.account_id "
        "AND e.run_id = h.run_id AND e.kind = 'charge'), 0) "
        "UNION ALL SELECT t.account_id, t.id, t.credits_used FROM scheduled_task t "
        "WHERE t.id BETWEEN :from_id AND :to_id AND t.credits_used > 0 "
        "AND NOT EXISTS (SELECT 1 FROM credit_hold h WHERE h.run_id = t.id)",
    ),
    "counters": (
        "Every budget counts what its runs have set aside and spent.",
        "SELECT c.account_id, c.scope, c.scope_id, c.period, c.spent, c.held FROM spend_counter c "
        "LEFT JOIN (SELECT account_id, scope, scope_id, period, SUM(posted) AS posted, SUM(amount - posted) AS open "
        "FROM credit_hold_part GROUP BY account_id, scope, scope_id, period) p ON p.account_id = c.account_id "
        "AND p.scope = c.scope AND p.scope_id = c.scope_id AND p.period = c.period "
        "WHERE c.spent <> c.opening + COALESCE(p.posted, 0) OR c.held <> COALESCE(p.open, 0)",
    ),
    "hold_parts": (
        "What a run has set aside stands on the account's day, its rule's month, its sites' months and its start.",
        "SELECT h.account_id, h.run_id, s.scope FROM credit_hold h CROSS JOIN (SELECT 'account' AS scope UNION ALL "
        "SELECT 'rule' UNION ALL SELECT 'site' UNION ALL SELECT 'start') s WHERE (s.scope <> 'start' OR EXISTS "
        "(SELECT 1 FROM credit_hold_part t WHERE t.run_id = h.run_id AND t.scope = 'start')) AND "
        "CASE h.state WHEN 'open' THEN h.amount - h.posted ELSE 0 END <> COALESCE((SELECT SUM(p.amount - p.posted) "
        "FROM credit_hold_part p WHERE p.run_id = h.run_id AND p.scope = s.scope), 0)",
    ),
    "charged_parts": (
        "Every charge stands on the account's day, its rule's month, its sites' months and its start.",
        "SELECT h.account_id, h.run_id, s.scope FROM credit_hold h CROSS JOIN (SELECT 'account' AS scope UNION ALL "
        "SELECT 'rule' UNION ALL SELECT 'site' UNION ALL SELECT 'start') s WHERE (s.scope <> 'start' OR EXISTS "
        "(SELECT 1 FROM credit_hold_part t WHERE t.run_id = h.run_id AND t.scope = 'start')) AND "
        "COALESCE((SELECT -SUM(e.amount) FROM credit_entry e WHERE e.account_id = h.account_id "
        "AND e.run_id = h.run_id AND e.kind = 'charge'), 0) <> COALESCE((SELECT SUM(p.posted) "
        "FROM credit_hold_part p WHERE p.run_id = h.run_id AND p.scope = s.scope), 0)",
    ),
    "charged_sites": (
        "Every charge counts in the month of the site it names.",
        "SELECT e.account_id, e.run_id, e.site FROM (SELECT account_id, run_id, COALESCE(site_id, 0) AS site, "
        "-SUM(amount) AS charged FROM credit_entry WHERE kind = 'charge' "
        "GROUP BY account_id, run_id, COALESCE(site_id, 0)) e WHERE e.charged <> COALESCE((SELECT SUM(p.posted) "
        "FROM credit_hold_part p WHERE p.run_id = e.run_id AND p.scope = 'site' AND p.scope_id = e.site), 0)",
    ),
    "leases": (
        "A running run has a worker that was heard of lately.",
        "SELECT account_id, id FROM scheduled_task WHERE status = 'running' AND (lease_token IS "
        "NULL OR lease_until < :lease_cut)",
    ),
    "holds_open": (
        "A running run that is at a paid step has credits set aside.",
        "SELECT u.account_id, u.run_id FROM action_run u JOIN scheduled_task t ON t.id = u.run_id JOIN run_attempt a "
        "ON a.run_id = t.id AND a.number = t.attempt WHERE t.status = 'running' AND u.status = 'started' "
        "AND u.type IN :paid_types AND u.started_at >= a.started_at "
        "AND NOT EXISTS (SELECT 1 FROM credit_hold h WHERE h.run_id = t.id AND h.state = 'open')",
    ),
    "grants_once": (
        "An account has one grant for each month.",
        "SELECT account_id, substr(key, 1, 13), COUNT(*) FROM credit_entry WHERE kind = 'grant' "
        "GROUP BY account_id, substr(key, 1, 13) HAVING COUNT(*) > 1",
    ),
    "chain_of_balances": (
        "Each credit entry's balance follows from the one before.",
        "SELECT account_id, id FROM (SELECT account_id, id, amount, balance_after, LAG(balance_after) OVER "
        "(PARTITION BY account_id ORDER BY id) AS before FROM credit_entry) AS entries "
        "WHERE balance_after <> COALESCE(before, 0) + amount",
    ),
    "daily_slots": (
        "A rule's used daily slots are its runs admitted that day.",
        "SELECT d.account_id, d.rule_id, d.local_day, d.used FROM rule_day d WHERE d.used <> "
        "(SELECT COUNT(*) FROM scheduled_task t "
        "WHERE t.automation_rule_id = d.rule_id AND t.counted_day = d.local_day AND t.split_site_id "
        "= d.split_site_id)",
    ),
    "pending_in_time": (
        "A run that is due and waits for nothing starts within two minutes.",
        "SELECT account_id, id FROM scheduled_task WHERE status = 'pending' AND waiting_for IS NULL "
        "AND COALESCE(not_before, scheduled_at) < :cut",
    ),
    "events_in_time": (
        "Closed events reach the rules within two minutes.",
        "SELECT account_id, id FROM event_batch WHERE closed_at < :cut AND dispatched_at IS NULL",
    ),
    "ended_runs": (
        "A run that has ended says when, and why if it was not completed.",
        "SELECT account_id, id FROM scheduled_task WHERE id BETWEEN :from_id AND :to_id AND CASE "
        "WHEN status = 'completed' THEN finished_at IS NULL OR reason IS NOT NULL "
        "WHEN status IN ('failed', 'skipped') THEN finished_at IS NULL OR reason IS NULL OR error_message = '' "
        "ELSE FALSE END",
    ),
    "attempts": (
        "A run's attempts are numbered from 1 without a gap.",
        "SELECT t.account_id, t.id FROM scheduled_task t LEFT JOIN run_attempt a ON a.run_id = t.id "
        "AND a.run_id BETWEEN :from_id AND :to_id WHERE t.id BETWEEN :from_id AND :to_id "
        "GROUP BY t.account_id, t.id, t.attempt "
        "HAVING t.attempt <> COUNT(a.run_id) OR t.attempt <> COALESCE(MAX(a.number), 0)",
    ),
    "paid_units": (
        "Every paid unit has exactly its charge.",
        "SELECT u.account_id, u.id FROM action_run u WHERE u.status = 'done' AND u.credits > 0 AND "
        "NOT EXISTS (SELECT 1 FROM "
        "credit_entry e WHERE e.account_id = u.account_id AND e.key = u.provider_key AND e.amount = -u.credits)",
    ),
    "taken_over": (
        "What an earlier run has done is not charged again by the run that goes on from there.",
        "SELECT u.account_id, u.id FROM action_run u WHERE u.done_by_run_id IS NOT NULL AND (u.credits <> 0 OR "
        "NOT EXISTS (SELECT 1 FROM action_run o WHERE o.run_id = u.done_by_run_id AND o.provider_key = u.provider_key "
        "AND o.status = 'done' AND o.done_by_run_id IS NULL))",
    ),
    "explained_charges": (
        "Every charge belongs to a finished unit.",
        "SELECT e.account_id, e.id FROM credit_entry e WHERE e.kind = 'charge' AND NOT EXISTS "
        "(SELECT 1 FROM action_run u WHERE "
        "u.account_id = e.account_id AND u.provider_key = e.key AND u.status = 'done' AND u.credits = -e.amount)",
    ),
    "start_totals": (
        "A start spends at most its total, over all its runs and retries, and its counter says what it spent.",
        "SELECT s.account_id, s.id, s.max_credits, s.charged, s.counted FROM (SELECT f.account_id, f.id, "
        "f.max_credits, COALESCE((SELECT -SUM(e.amount) FROM credit_entry e JOIN scheduled_task t ON t.id = e.run_id "
        "WHERE (t.id = f.id OR t.start_id = f.id) AND e.kind = 'charge'), 0) AS charged, "
        "COALESCE((SELECT SUM(c.spent) FROM spend_counter c WHERE c.scope = 'start' AND c.scope_id = f.id), 0) "
        "AS counted FROM scheduled_task f WHERE f.id BETWEEN :from_id AND :to_id AND f.max_credits IS NOT NULL) s "
        "WHERE s.charged > s.max_credits OR s.charged <> s.counted",
    ),
    "promised_records": (
        "Each record that a start promised is in one of its runs, or counted as left out or left.",
        "SELECT account_id, start_id, promised, found FROM (SELECT account_id, COALESCE(start_id, id) AS start_id, "
        "SUM(CASE WHEN follows_id IS NULL THEN promised END) AS promised, "
        "SUM(left_out + remaining + CASE WHEN from_step = 0 AND admitted_at IS NOT NULL THEN record_count ELSE 0 END) "
        "AS found, MAX(CASE WHEN status IN ('pending', 'running') THEN 1 ELSE 0 END) AS is_open "
        "FROM (SELECT * FROM scheduled_task WHERE id BETWEEN :from_id AND :to_id AND start_id IS NULL "
        "AND promised IS NOT NULL UNION ALL "
        "SELECT * FROM scheduled_task WHERE start_id BETWEEN :from_id AND :to_id AND start_id IS NOT NULL) t "
        "GROUP BY account_id, COALESCE(start_id, id)) s "
        "WHERE is_open = 0 AND promised IS NOT NULL AND promised <> found",
    ),
}
