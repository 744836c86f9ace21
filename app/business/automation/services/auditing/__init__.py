"""Whether everything holds: each planned time and event accounted for, and the product's invariants."""
