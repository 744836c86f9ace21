"""Automation: rules, and the runs that execute them.

`automation_service` is the life of rules and opens runs; `rule_engine` executes one run, its steps by
`action_executor`. The packages lie in layers, each of them using only what stands below it (the import contracts
hold them to it), from the top:

    forecast, why, transfer, trials, backtest    what people ask about rules
    operations                          long work with progress
    history, auditing                   reading what happened, and whether it holds
    automation_service, rule_engine, action_executor
    actions, preflight
    triggering                          planned times, events, switching
    runs
    rules
    conditions
    catalogue, schedules                what there is; when
"""
