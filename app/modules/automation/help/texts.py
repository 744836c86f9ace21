"""Sentences of the help page that nothing else in the product says."""

from app.business.automation.services.conditions.nodes import O, Operator

TERMS: tuple[tuple[str, str, str], ...] = (
    (
        "rule",
        "Rule",
        "One step of your pipeline that happens by itself: what starts it, which records it takes, what it does, and "
        "its limits. Every change of it makes a new version, which you can compare and restore.",
    ),
    (
        "run",
        "Run",
        "One time that a rule has worked, or was to work. Each planned time and each event ends as a line of the "
        "history that says what happened, why, and what it cost.",
    ),
    (
        "step",
        "Step",
        "One action within a run. A run that is retried does only what failed; what is finished is not done, or "
        "paid for, again.",
    ),
    (
        "record",
        "Record",
        "A keyword, cluster, idea, task or content item. Rules make each from the one before it, up to the published "
        "article.",
    ),
    (
        "credits",
        "Credits",
        "What paid actions cost. Before a run works, the most that it can cost is set aside; what it did not use is "
        "given back at its end. It never takes more than its limit, nor more than you have.",
    ),
    (
        "limits",
        "Limits",
        "Credits and records of one run, runs of one day, and budgets of a month for a rule or a site. They hold "
        "whatever happens, also when a run is tried again.",
    ),
    (
        "practice",
        "Practice mode",
        "The rule starts and chooses its records as always, but changes and pays nothing. Its page then says what it "
        "would have done, and lets you make it real.",
    ),
    (
        "second-person",
        "Second person",
        "Where the account asks for one (Settings, by an owner), what makes a rule act, or act otherwise than before, "
        "waits until somebody else who may edit rules has approved it: changes of a rule that is on, switching on, "
        "making real. They find it in My work, with what differs and what it costs. Switching off, pausing, "
        "practising and lower limits hold at once, and a rule that is off or practises is edited freely. A rule that "
        "is off can be run by hand, or switched on by another rule, only if it does no more than when it was last on.",
    ),
    (
        "existing-records",
        "Existing records",
        "A rule that starts when something happens knows only what happens from then on. When you switch it on you may "
        "also run it on the records that are here already.",
    ),
    (
        "test",
        "Test, and Try it on the past",
        "Test says of one record whether the rule would take it now, and at which check it stops. Try it on the past "
        "plays the rule through the last days. Neither changes nor pays anything.",
    ),
    (
        "why",
        "Why did nothing happen here?",
        "On every record: each rule, its last answer for this record, and the smallest change that would have made it "
        "act.",
    ),
    (
        "incident",
        "Incident",
        "Several failures with one cause, such as an AI service that does not answer, are one incident: it says which "
        "rules and sites it touches and what to do, and it closes itself when the cause is gone.",
    ),
    (
        "undo",
        "Undo a run",
        "Archives what the run made and nobody has touched since, and gives back the statuses it changed. Credits stay "
        "spent, and the page says what it leaves and why.",
    ),
    (
        "pause",
        "Pause all",
        "No rule starts, and runs stop before their next record. What is finished stays; runs wait until somebody "
        "resumes.",
    ),
    (
        "passkey",
        "Passkey",
        "Your fingerprint, face or device PIN in place of a password. Your device or password manager keeps it; under "
        "Your settings you add, rename and remove yours. A sign-in with it asks for no code.",
    ),
)
"""Anchor, term and meaning."""

STEP_WORDS = {
    "name": "The name stands in every list, notice and run. The note is for your team only.",
    "when": "A planned time looks at all records in its place. An event looks at the records that caused it.",
    "where": "A rule never sees a record outside its place. The whole account takes new sites in by itself.",
    "which": "Conditions can be put into groups, counted (“the number of articles”), and compared with other fields. "
    "Beside them stands how many records match now.",
    "do": "Each action says its price. An action takes the records of the run, or what the action before it made.",
    "often": "Beside the form stand the next times. A day that does not exist in a month is left out.",
    "limits": "Below the price of one record nothing can run. Beside the summary stands the most that a day can cost.",
    "check": "The check names what would go wrong, from missing credits to rules that start one another in a circle. "
    "Nothing runs before you save it switched on.",
}
"""By the key of the step."""

TRIGGER_WORDS = {
    "schedule": "At the times you choose, on all records in its place that match.",
    "keyword_added": "When keywords are typed, imported, or come from another system. A file is one start, not one for "
    "each row.",
    "cluster_created": "When a rule or a person makes clusters.",
    "idea_created": "When a rule or a person writes down ideas.",
    "task_created": "When a rule or a person makes tasks.",
    "content_generated": "When an article has been written.",
    "status_changed": "When records of one kind get a status, such as ideas that are accepted.",
    "run_finished": "When a run of any rule, or of one, is completed, has failed or was skipped.",
    "credits_granted": "When the month's credits arrive, or somebody adds some.",
    "incoming": "When another system posts to the account's own address, which owners set up under Incoming.",
}
"""By trigger."""

RECORD_STATUSES = {
    "keyword": {
        "new": "In no cluster yet; rules may group it.",
        "clustered": "In a cluster.",
        "ignored": "Rules leave it alone.",
    },
    "cluster": {
        "new": "Has no ideas yet.",
        "planned": "Has ideas that nobody has used up.",
        "done": "None of its ideas is open any more.",
    },
    "idea": {
        "new": "Waits for a decision.",
        "accepted": "May become a task.",
        "rejected": "Nothing is made of it.",
        "used": "A task was made of it.",
    },
    "task": {
        "draft": "Not ready: its brief is not whole, rules that take queued tasks leave it alone.",
        "queued": "Ready to be written.",
        "writing": "A run is writing it now.",
        "done": "Its article is here.",
        "failed": "Its article could not be written; the next run tries again.",
    },
    "content": {
        "draft": "Waits for somebody to check it.",
        "review": "Somebody is looking at it.",
        "approved": "May be published.",
        "published": "Is on the site.",
    },
}
"""By type and status."""

RUN_STATUSES = {
    "pending": "Due, and about to start.",
    "waiting": "Due, and held until its limit, budget, pause or answer lets it go on.",
    "running": "At work now.",
    "completed": "Done. Its line says what it made.",
    "failed": "At least one action failed, and no automatic try is left. Retry does only what failed.",
    "skipped": "Not needed, or not allowed; its line says why. It costs nothing.",
    "practised": "A run in practice mode: it says what it would have done.",
}
"""By state."""

REASON_WORDS = {
    "superseded": "A later run took its place, with its records.",
    "shadow": "It practised: nothing was changed or paid.",
}
"""Of reasons after which there is nothing to do."""

OPTION_WORDS = {
    "record_minimum": "With fewer matching records a planned run is skipped and says so.",
    "order": "Where more records match than one run takes.",
    "batching": "Together is cheaper to read and has one line in the history; one by one gives each record its own.",
    "split_by": "The limits then hold for each site, and planned times may follow each site's own clock.",
    "repeat": "A record that the rule has worked on is left out afterwards, or for some days. Records picked by hand "
    "are always taken.",
    "overlap": "What happens at a planned time when the run before it is still at work.",
    "catch_up": "What happens to times that passed while nothing was running. Each has its line in the history.",
    "on_closed_days": "Each planned time keeps its line in the history. A moved run starts on the next open day at the "
    "same time of day, or when that day opens; where several fall on one moment, the latest of them runs. Runs that a "
    "person, the API or an event starts follow no calendar.",
    "when_limited": "The limits of the day, the budgets, and the credits you have.",
    "priority": "Of runs that wait, those with a lower number start first. No rule waits for another.",
    "stop_after_failures": "A rule that keeps failing switches itself off and tells its editors.",
    "monthly_budget": "Counted from the first of the month in the account's time zone.",
    "mode": "It does everything but change and pay.",
}
"""More on some options, by name."""

OPERATOR_WORDS: dict[Operator, str] = {
    O.EQ: "The same kind of value and the same value: 1 is not “1”.",
    O.NE: "Exactly the opposite, so also true where the field is missing.",
    O.GT: "Only between two numbers, two texts, or two times.",
    O.GTE: "Only between two numbers, two texts, or two times.",
    O.LT: "Only between two numbers, two texts, or two times.",
    O.LTE: "Only between two numbers, two texts, or two times.",
    O.BETWEEN: "Both bounds count.",
    O.IN: "Equal to one of a list.",
    O.NOT_IN: "Exactly the opposite, so also true where the field is missing.",
    O.CONTAINS: "A text that has this part anywhere; a list that has this entry.",
    O.NOT_CONTAINS: "Exactly the opposite, so also true where the field is missing.",
    O.HAS_WORD: "Whole words in this order; signs and spaces separate words.",
    O.STARTS_WITH: "The text begins like this.",
    O.ENDS_WITH: "The text ends like this.",
    O.IS_EMPTY: "Missing, the empty text, or the empty list. 0 and “no” are not empty.",
    O.IS_NOT_EMPTY: "Exactly the opposite.",
    O.OLDER_THAN: "Longer ago than this. A missing time is neither older nor newer.",
    O.NEWER_THAN: "Not as long ago as this.",
    O.NOT_HANDLED_WITHIN: "This rule has not worked on the record in this time, or never.",
}

SCHEDULE_WORDS = (
    (
        "time-zone",
        "Time zone",
        "Times are those of the rule's zone, else of the site's, else of the account's. Every time you see names its "
        "zone.",
    ),
    (
        "clock-change",
        "When clocks change",
        "A time that does not exist on that day runs once right after the gap; one that comes twice runs the first "
        "time only. Times such as “every 15 minutes” follow the clock on the wall.",
    ),
    (
        "offline",
        "If we were offline",
        "Times missed meanwhile are caught up as the rule says; each of them has its line in the history.",
    ),
    (
        "cron",
        "A cron line",
        "Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday). Lists 1,3, spans 1-5 and "
        "steps */15 are understood. Where both days are named, either will do.",
    ),
)
"""Anchor, title and text."""
