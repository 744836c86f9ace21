"""The work of the actions: how each type does one unit."""
