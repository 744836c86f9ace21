"""Automation: rules, and the runs that execute them.

`automation_service` manages rules and opens runs; `rule_engine` executes one run, with `action_executor` for its steps.
The packages form layers; each uses only those below it (enforced by import contracts), from the top:

    forecast, why, transfer, trials, backtest    questions that people ask about rules
    operations                                   long work with progress
    history, auditing                            read side: lists and audits
    automation_service, rule_engine, action_executor
    actions, preflight
    triggering                                   planned times, events, switching
    runs
    rules
    conditions
    catalogue, schedules
"""
