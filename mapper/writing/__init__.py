"""Puts plans into source: calls, templates and imports."""
