"""The networks of host/model/zoo.c in PyTorch, with the same names of weights, so that a checkpoint's load as they are;
and reading those. Written after the papers and torchvision's naming; torchvision itself is not needed.
"""
import json
import struct

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class SmallCnn(nn.Module):
    def __init__(self, channels, classes, width=32):
        super().__init__()
        for stage in range(3):
            setattr(self, f"conv{stage + 1}", conv(channels, width << stage, 3))
            setattr(self, f"bn{stage + 1}", nn.BatchNorm2d(width << stage))
            channels = width << stage
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        for convolve, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            x = F.max_pool2d(F.relu(norm(convolve(x)), inplace=True), 2)
        return self.fc(x.mean((2, 3)))


class Mlp(nn.Module):
    def __init__(self, inputs, classes, hidden=256):
        super().__init__()
        self.fc1, self.fc2, self.fc = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        return self.fc(F.relu(self.fc2(F.relu(self.fc1(x.flatten(1))))))


class Block(nn.Module):
    """A residual block: two 3x3 convolutions, or 1x1, 3x3 (with the stride), 1x1 to four times as many channels."""

    def __init__(self, inputs, planes, stride, bottleneck):
        super().__init__()
        outputs = planes * 4 if bottleneck else planes
        shapes = [(inputs, planes, 3, stride), (planes, planes, 3, 1)]
        if bottleneck:
            shapes = [(inputs, planes, 1, 1), (planes, planes, 3, stride), (planes, outputs, 1, 1)]
        self.count = len(shapes)
        for i, shape in enumerate(shapes, 1):
            setattr(self, f"conv{i}", conv(*shape))
            setattr(self, f"bn{i}", nn.BatchNorm2d(shape[1]))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for i in range(1, self.count + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y, inplace=True)
        return F.relu(y + (self.downsample(x) if self.downsample else x), inplace=True)


class ResNet(nn.Module):
    def __init__(self, channels, classes, blocks, bottleneck, small_stem):
        super().__init__()
        self.conv1 = conv(channels, 64, 3) if small_stem else conv(channels, 64, 7, 2)
        self.bn1, self.small_stem, inputs = nn.BatchNorm2d(64), small_stem, 64
        for stage, count in enumerate(blocks):
            layer = []
            for i in range(count):
                layer.append(Block(inputs, 64 << stage, 2 if stage and not i else 1, bottleneck))
                inputs = (64 << stage) * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layer))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if not self.small_stem:
            x = F.max_pool2d(x, 3, 2, 1)
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


# image side, channels, classes, padding of random crops, batch on a GPU, batch on a CPU: those of bench_train
NETS = {
    "mlp": (28, 1, 10, 2, 128, 128),
    "small_cnn": (28, 1, 10, 2, 128, 64),
    "resnet18": (32, 3, 10, 4, 512, 128),
    "resnet50": (224, 3, 1000, 4, 256, 8),
}


def build(name, classes=None):
    side, channels, usual_classes, *_ = NETS[name]
    classes = classes or usual_classes
    if name == "mlp":
        return Mlp(side * side * channels, classes)
    if name == "small_cnn":
        return SmallCnn(channels, classes)
    if name == "resnet18":
        return ResNet(channels, classes, (2, 2, 2, 2), False, True)
    return ResNet(channels, classes, (3, 4, 6, 3), True, False)


def read_safetensors(path):
    """Tensors of a model.safetensors file in fp32 by name, and its metadata."""
    with open(path, "rb") as file:
        head = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    metadata, tensors = head.pop("__metadata__", {}), {}
    kinds = {"F32": torch.float32, "I64": torch.int64}
    for name, entry in head.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(data[begin:end], dtype=kinds[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata
