"""The rule database."""
