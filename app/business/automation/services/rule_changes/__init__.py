"""Changes of rules that a second person approves: proposing, deciding and listing them."""
