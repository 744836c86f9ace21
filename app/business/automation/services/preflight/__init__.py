"""Looking a rule over before it is switched on, alone and among the account's other rules."""
