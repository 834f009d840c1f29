"""The functions that formulas may call, in numpy."""
