"""The one gate for ids, numbers, JSON and preconditions, whatever part of a request they come in."""
