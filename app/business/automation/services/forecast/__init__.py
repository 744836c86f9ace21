"""Forecast of the account's credits: the use of each rule, when credits run out, and the effect of changes."""
