"""The REST resources of automation."""
