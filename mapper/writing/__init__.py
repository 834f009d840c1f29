"""Plans put into source."""
