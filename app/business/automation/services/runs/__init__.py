"""The lifecycle of a run: opening, gates, execution under a lease, pricing, waiting, closing, recovery."""
