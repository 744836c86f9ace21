"""What an incident is called, and what a person can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """says: follows the subject · advice: what to do."""

    says: str
    advice: str


WAIT = "Usually it passes, and failed runs that events started are tried again without anybody's help. If it stays, "
UNAVAILABLE = {
    "ai": f"{WAIT}look at the service's own status page; an owner can test the connection on the page AI service.",
    "wordpress": f"{WAIT}open the site in a browser; an owner can test the connection on the site's page WordPress.",
}
OURS = "Retry the failed runs. If it happens again, tell your administrator the number of a run."

WORDS: Mapping[tuple[str, str], Words] = {
    ("ai", "unavailable"): Words("does not answer", UNAVAILABLE["ai"]),
    ("ai", "rate_limited"): Words(
        "asks us to slow down",
        "Let rules run less often or over fewer records, or ask the AI service for a higher rate. Then retry the "
        "failed runs.",
    ),
    ("ai", "refused"): Words(
        "says no",
        "Read what it says: its credit may be used up, or it declines a text. Change that, then retry.",
    ),
    ("ai", "misconfigured"): Words(
        "does not accept our calls",
        "An owner has to test the connection on the page AI service and correct what the test names. Then retry the "
        "failed runs.",
    ),
    ("ai", "bad_answer"): Words(
        "sends answers that cannot be used",
        "Retry the failed runs. If it happens again, an owner can choose another model on the page AI service.",
    ),
    ("ai", "over_limit"): Words(
        "has reached the account's monthly limit",
        "An owner can raise the limit on the page AI service; or wait for the next month. Then retry the failed runs.",
    ),
    ("wordpress", "unavailable"): Words("does not answer", UNAVAILABLE["wordpress"]),
    ("wordpress", "rate_limited"): Words(
        "asks us to slow down",
        "An owner can set a number of posts a day on the site's page WordPress. Then retry.",
    ),
    ("wordpress", "misconfigured"): Words(
        "refuses us",
        "An owner has to test the connection on the site's page WordPress and correct what the test names. Then retry "
        "the failed runs.",
    ),
    ("wordpress", "bad_answer"): Words(
        "sends answers that cannot be used",
        "An owner can test the connection on the site's page WordPress. A plugin there may change its answers.",
    ),
    ("webhook", "given_up"): Words(
        "does not take our messages",
        "Look at the answers on the page Webhooks and mend the receiver. What was not sent can be sent again there.",
    ),
    ("webhook", "switched_off"): Words(
        "was switched off",
        "Look at it on the page Webhooks, mend it, and switch it on again. What was not sent can be sent again there.",
    ),
    ("rule", "needs_repair"): Words(
        "needs repair", "Open the rule, repair what is marked, save it, and retry the failed runs."
    ),
    ("rule", "not_possible"): Words(
        "cannot do what it is set to do",
        "Open the rule and compare what it does with the sentence below; change it, then retry the failed runs.",
    ),
    ("credits", "used_up"): Words(
        "stop for lack of credits",
        "Raise the limit that the sentence below names, or wait for the next grant. Then retry the failed runs.",
    ),
    ("console", "timeout"): Words("take too long", f"Let them work on fewer records at once. {OURS}"),
    ("console", "worker_lost"): Words("stop unexpectedly", OURS),
    ("console", "database"): Words("find the database busy or away", f"Look at System health. {OURS}"),
    ("console", "fault"): Words("fail because of a fault on our side", OURS),
}
FALLBACK = Words("fails", "Read what it says, change that, and retry the failed runs.")
OVER = {"credits": "go on", "console": "work again", "rule": "works again"}


def title_of(kind: str, fault: str, subject: str) -> str:
    """`The AI service does not answer`."""
    return f"{subject} {words_of(kind, fault).says}"


def words_of(kind: str, fault: str) -> Words:
    return WORDS.get((kind, fault), FALLBACK)


def over(kind: str, subject: str) -> str:
    """`The AI service works again`."""
    return f"{subject} {OVER.get(kind, 'works again')}"
