"""The preflight check of a rule before it is switched on: alone, and together with the account's other rules."""
