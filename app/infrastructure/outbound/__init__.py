"""Requests to other machines: which addresses they may reach, and the limits of the answers."""
