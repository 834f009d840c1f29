"""Decides what becomes of each use of a torch API."""
