"""The actions of rules: one file for each type declares all its properties.

Forms, REST API, prices, checks and the engine read these declarations. The work itself is done by a handler in
`services/actions`.
"""
