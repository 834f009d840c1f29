"""Runs both versions of a model with the same weights and inputs, and compares them by layers."""
