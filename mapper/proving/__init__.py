"""Proves rewrites: both texts are computed in numpy and compared."""
