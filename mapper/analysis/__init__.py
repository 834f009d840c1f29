"""Reads a program: names, scopes, values, kinds of value, and what other files use."""
