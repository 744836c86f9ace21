"""Rules from elsewhere: copies, templates, and files that use names in place of ids."""
