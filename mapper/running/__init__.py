"""Runs a migration: of one module, one file, a tree; here, in processes or on a cluster."""
