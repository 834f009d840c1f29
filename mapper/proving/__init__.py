"""The numpy proof of a rewrite."""
