"""The project that docs/formats.md shows in every format."""

import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self, width, mode):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, width, 3, stride=2, bias=False)
        self.edge = nn.Conv2d(8, 8, 3, padding=1, padding_mode=mode)
        self.lazy = nn.LazyConv2d(8, 3)
        self.kept = nn.Conv2d(8, 8, 1)  # tm2ms: ignore[TM101]
        self.size = 1  # tm2ms: ignore

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(torch.relu(self.stem(x)))
