"""The actions a rule can take: one file for each type, which says all there is to know of it but how its work is done.

Forms, REST API, prices, checks and the engine ask the entry. The work itself is a handler in `services/actions`.
"""
