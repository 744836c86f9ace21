"""What makes runs: planned times and events, and the switch that decides whether a rule hears them."""
