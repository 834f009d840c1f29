"""Both versions of a model run, with the same weights and inputs, and held against each other."""
