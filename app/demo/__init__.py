"""The demo account: a content agency and its last month, lived through by the real rule engine."""
