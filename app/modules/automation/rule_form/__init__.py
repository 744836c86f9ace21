"""The rule form: its steps, the rule they produce, and the input and preview of each step."""
