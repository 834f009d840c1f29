"""What both frameworks compute, in numpy."""
