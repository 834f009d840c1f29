"""Convolutions in numpy, and the layers of torch and MindSpore that are built on them."""
