"""The forms in which a program uses an API, other than by calling it."""
