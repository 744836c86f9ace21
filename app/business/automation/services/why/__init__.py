"""Why a rule took a record or did not, and what would have turned it."""
