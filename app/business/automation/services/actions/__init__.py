"""The handlers of the actions: how each type does one unit of work."""
