"""The demo account: a content agency whose last month is simulated by the real rule engine."""
