"""Numerical engine: convolutions in numpy, and what torch and MindSpore mean by their layers."""
