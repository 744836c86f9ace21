"""What a rule says: its definition, versions, cost and sentence. Nothing here starts anything."""
