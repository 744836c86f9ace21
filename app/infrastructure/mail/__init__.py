"""Mail: message, SMTP server, and links to unsubscribe."""
