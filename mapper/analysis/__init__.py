"""What a program says."""
