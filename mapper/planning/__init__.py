"""What becomes of a use."""
