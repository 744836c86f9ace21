"""The rule form: its steps, the rule they add up to, and what each step reads and shows."""
