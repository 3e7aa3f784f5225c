"""Small residual networks (He et al., CVPR 2016) for small images, and the head that VICReg trains them with."""

from torch import nn


class Shape:
    """How large a network is: channels of the first stage, blocks of each stage, stages, and the side that these begin at."""

    def __init__(self, width, blocks, stages, side):
        self.width, self.blocks, self.stages, self.side = width, blocks, stages, side


SHAPES = {
    # 15 million multiplications an image: for a CPU.
    "small": Shape(width=48, blocks=1, stages=3, side=16),
    # ResNet-18 as it is used for images of 32 pixels, 560 million multiplications: for a GPU.
    "large": Shape(width=64, blocks=2, stages=4, side=32),
}


class Block(nn.Module):
    """Two convolutions beside a way round them."""

    def __init__(self, channels_in, channels, stride):
        super().__init__()
        self.first = convolution(channels_in, channels, 3, stride)
        self.second = convolution(channels, channels, 3, 1)
        same = channels_in == channels and stride == 1
        self.around = None if same else convolution(channels_in, channels, 1, stride)

    def forward(self, x):
        around = x if self.around is None else self.around(x)
        return (self.second(self.first(x).relu()) + around).relu()


class Network(nn.Module):
    """From images float [N, 3, H, W], mean 0 and variance 1, to [N, dims]: means of the maps of the last two stages."""

    def __init__(self, shape, side):
        super().__init__()
        stem, channels = [convolution(3, shape.width, 3, 1 if side <= shape.side else 2)], shape.width
        reached = side if side <= shape.side else -(-side // 2)
        while reached > shape.side:
            stem.append(convolution(channels, channels, 3, 2))
            reached = -(-reached // 2)
        self.stem = nn.ModuleList(stem)
        stages = []
        for stage in range(shape.stages):
            blocks = []
            for number in range(shape.blocks):
                wider = shape.width << stage
                blocks.append(Block(channels, wider, 2 if number == 0 and stage > 0 else 1))
                channels = wider
            stages.append(nn.ModuleList(blocks))
        self.stages = nn.ModuleList(stages)
        self.dims = channels + channels // 2

    def forward(self, x):
        for layer in self.stem:
            x = layer(x).relu()
        means = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x)
            means.append(x.mean((2, 3)))  # No pooling layer: its gradient has no fixed order on a GPU.
        return means[-2], means[-1]


def convolution(channels_in, channels, side, stride):
    layers = nn.Conv2d(channels_in, channels, side, stride, side // 2, bias=False), nn.BatchNorm2d(channels)
    return nn.Sequential(*layers)


def projector(dims, width):
    """What the loss sees: three layers after the network, which are thrown away when training is over."""
    layers = [nn.Linear(dims, width), nn.BatchNorm1d(width), nn.ReLU()]
    layers += [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, width, bias=False))
