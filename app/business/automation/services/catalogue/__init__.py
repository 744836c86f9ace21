"""What rules can name: triggers, record types with their fields and relations, and actions."""
