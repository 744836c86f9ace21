"""Mail: its text and HTML, and the server that it leaves by."""
