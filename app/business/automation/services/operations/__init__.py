"""Long work with progress that people ask for; retries of many runs are of that kind."""
