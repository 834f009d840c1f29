"""Modules, files and trees."""
