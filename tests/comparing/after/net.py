"""The model in MindSpore."""

from mindspore import nn, ops


class Block(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, pad_mode="pad", padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.LeakyReLU(0.1)

    def construct(self, x):
        return x + self.act(self.bn(self.conv(x)))


class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.SequentialCell(
            nn.Conv2d(3, 8, 3, stride=2, pad_mode="pad", padding=1, has_bias=True),
            nn.BatchNorm2d(8, eps=1e-3, momentum=0.8),
            nn.ReLU(),
        )
        self.edge = nn.SequentialCell(
            nn.ReflectionPad2d(2), nn.Conv2d(8, 8, 3, pad_mode="valid", has_bias=True)
        )
        self.blocks = nn.CellList([Block(8) for _ in range(2)])
        self.first = nn.CellList([nn.Dense(8, 8)])
        self.second = nn.CellList([nn.Dense(8, 8)])
        self.words = nn.Embedding(12, 8)
        self.mixer = nn.Conv1d(8, 8, 3, pad_mode="pad", padding=1, has_bias=True)
        self.norm = nn.LayerNorm((8,), epsilon=1e-5)
        self.drop = nn.Dropout(p=0.3)
        self.fc = nn.Dense(8, 5)

    def construct(self, x, tokens):
        x = self.edge(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = ops.relu(x).mean((2, 3))
        words = self.mixer(self.words(tokens).swapaxes(1, 2)).mean(2)
        x = self.second[0](ops.relu(self.first[0](x + words)))
        x = self.drop(self.norm(x))
        x = ops.dropout(x, 0.2, training=self.training)
        return self.fc(x), words


def built():
    return Net().set_train()
