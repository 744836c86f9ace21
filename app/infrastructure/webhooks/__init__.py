"""Sending webhooks: signatures as Standard Webhooks defines them, and the request."""
