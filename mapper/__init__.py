"""tm2ms: migrate PyTorch convolutions to MindSpore source, with a proof for every call."""

__version__ = "0.1.0"
