"""The chain of `before`, as a MindSpore developer writes it."""

from mindspore import nn, ops


class Block(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.deep = nn.Conv2d(channels, channels, 3, pad_mode="pad", padding=1, group=channels)
        self.bn1 = nn.BatchNorm2d(channels)
        self.wide = nn.Conv2d(channels, channels, 1, pad_mode="valid", has_bias=True)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act = nn.LeakyReLU(0.1)

    def construct(self, x):
        x = ops.relu(self.bn1(self.deep(x)))
        return self.act(self.bn2(self.wide(x)))


class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, pad_mode="pad", padding=1, has_bias=True)
        self.blocks = nn.SequentialCell([Block(16) for _ in range(20)])
        self.fc = nn.Dense(16, 16)

    def construct(self, x):
        x = self.blocks(self.stem(x))
        return self.fc(ops.flatten(ops.adaptive_avg_pool2d(x, 1), start_dim=1))
