"""Checks of an article and the score that follows from them: pure functions of the text and of given facts."""
