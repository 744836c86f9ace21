"""Audits: each planned time and event is accounted for, and the product's invariants hold."""
