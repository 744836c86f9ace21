"""What rules can refer to: triggers, record types with their fields and relations, and actions."""
