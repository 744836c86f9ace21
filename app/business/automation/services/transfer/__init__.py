"""Rules from elsewhere: copies, templates, and files that name things instead of numbering them."""
