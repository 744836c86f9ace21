"""Texts of the API document that do not belong to a single call."""

from app.business.accounts.models import Role

ABOUT = """\
Everything that staff do in the console, for programs. A rule is a trigger, conditions, actions, a schedule and limits;
each start of a rule is one *run* (`scheduled-tasks`), which says what happened, why, and what it cost in credits.

## Who asks
Send an API key with `Authorization: Bearer igny8_…`; it has the role of the person who made it. In a browser the
session counts too, and changes then need the header `X-CSRFToken`.

A key may be limited to *scopes*, of which no one contains another: `read` (look and ask, nothing changes), `run`
(start, retry and cancel runs, publish), `write` (make and change rules and records), `admin` (what only owners may).
It may also be limited to some sites, a last day, and fewer requests a minute. Keys, people, their roles and how they
sign in are changed in the console alone: a key that got into wrong hands cannot make another one.

## What is sent
JSON in UTF-8 with exact types: `1` is not `"1"`. Unknown keys are refused by name. Keys that are read-only may be sent
back with their present value. The last slash of an address may be left out.

## Lists
`{"results": […], "next": …}`: `limit` says how many, `cursor` is `next` of the page before. A filter that may be given
several times is repeated: `?status=failed&status=skipped`. Times without an offset are in the account's zone.
`ordering` names a column, with `-` before it from the largest down; `fields` the only keys that results shall have (the
content type then is `application/vnd.igny8.partial-list+json`); with `count=true` the answer has the number of all.
Pages are stable while rows arrive, change and go. What stays as it is comes exactly once; what arrives comes too where
its place is after the cursor. A row whose value in the column of `ordering` changes on the way has another place then:
it may come twice, or not at all; so may one that begins or ceases to fit a filter. Whoever has to see every row walks
by `created_at` (incidents: `first_at`; runs: `id`), which stays as it is, and filters by nothing that changes; upwards,
nothing that arrives is left out either. Notices are renewed, and their `created_at` with them.

## Changes by several people
An answer with an `ETag` can be changed with `If-Match`: if somebody changed it meanwhile, the answer is 412 with the
present version in `current`, and nothing is saved. Whoever knows a version reads with `If-None-Match`: if it is the
present one still, the answer is 304 without a body.

## Assistants
An AI assistant that speaks the Model Context Protocol is given the address `/api/mcp/` (Streamable HTTP) and an API
key. It can list rules, runs and incidents, explain a run, say why nothing happened, test and price a rule, and start
one within a bound of credits (`max_credits`). The role, scopes and sites of the key hold: a key with the scope `read`
starts nothing.

## Errors
`application/problem+json` (RFC 9457): `detail` is a sentence for people, `errors` has sentences by field, `code` is a
name that stays. After 429 and 503 the header `Retry-After` says when to send the same request again.
"""

AREAS = {
    "automation": "Rules, their runs, and what would happen.",
    "planner": "Sites, sectors, keywords, clusters and ideas.",
    "writer": "Tasks and content.",
    "incoming": "Messages from other systems, which start rules.",
    "mcp": "Questions and starts for AI assistants.",
    "outlets": "What is connected: the AI service, and where things are sent.",
    "billing": "Credits and the ledger.",
    "accounts": "People, keys and the audit log.",
    "document": "This description itself.",
}
"""Descriptions of the areas, by the first part of their addresses."""

ROLES = {
    Role.VIEWER: "Everybody of the account may call it.",
    Role.OPERATOR: "Operators, editors and owners may call it.",
    Role.EDITOR: "Editors and owners may call it.",
    Role.OWNER: "Only owners may call it.",
}
