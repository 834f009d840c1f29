"""Files, bytes and texts."""
