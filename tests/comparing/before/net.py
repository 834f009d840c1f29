"""The model in torch."""

import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x):
        return x + self.act(self.bn(self.conv(x)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8, eps=1e-3, momentum=0.2),
            nn.ReLU(inplace=True),
        )
        self.edge = nn.Conv2d(8, 8, 3, padding=2, padding_mode="reflect")
        self.blocks = nn.ModuleList([Block(8) for _ in range(2)])
        self.first = nn.ModuleList([nn.Linear(8, 8)])
        self.second = nn.ModuleList([nn.Linear(8, 8)])
        self.words = nn.Embedding(12, 8)
        self.mixer = nn.Conv1d(8, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(8, 5)

    def forward(self, x, tokens):
        x = self.edge(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = F.relu(x).mean((2, 3))
        words = self.mixer(self.words(tokens).transpose(1, 2)).mean(2)
        x = self.second[0](F.relu(self.first[0](x + words)))
        x = self.drop(self.norm(x))
        x = F.dropout(x, 0.2, self.training)
        return self.fc(x), words


def built():
    return Net()
