"""What differs between two definitions of a rule, and what an import would change."""
