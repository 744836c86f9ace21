"""Long work with progress that people request, such as retries of many runs."""
