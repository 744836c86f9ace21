"""What the account reaches outside: its connections, and what they cost."""
