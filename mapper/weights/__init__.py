"""The names of weights: which parameter of the migrated model is which of torch's."""
