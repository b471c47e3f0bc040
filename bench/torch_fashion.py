"""Training on Fashion-MNIST in PyTorch until enough of the test images are right, as `evenkeel train` does it: the same
network, AdamW, warm-up and cosine, flip and random crop an image. For bench/compare_pytorch.py; a process of its own,
so that it can be timed from its start. Usage: torch_fashion.py FOLDER fp32|bf16 EPOCHS BATCH LR DECAY WARMUP GOAL SEED
"""
import gzip
import math
import os
import sys
import time

import torch
from torch.nn import functional as F

from torch_nets import build

PAD = 2


def read_idx(folder, part, kind, head):
    path = os.path.join(folder, f"{part}-{kind}-ubyte")
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz", "rb")
    with opened as file:
        return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=head)


def read(folder, part):
    labels = read_idx(folder, part, "labels-idx1", 8).long()
    return read_idx(folder, part, "images-idx3", 16).reshape(-1, 1, 28, 28), labels


def augment(images):
    """A crop and a flip of its own for each image."""
    count = len(images)
    padded = F.pad(images, [PAD] * 4)
    rows = torch.arange(28).view(1, 28) + torch.randint(0, 2 * PAD + 1, (count, 1))
    columns = torch.arange(28).view(1, 28) + torch.randint(0, 2 * PAD + 1, (count, 1))
    columns = torch.where(torch.rand(count, 1) < 0.5, columns.flip(1), columns)
    return padded[torch.arange(count).view(-1, 1, 1), 0, rows.unsqueeze(2), columns.unsqueeze(1)].unsqueeze(1)


def main():
    folder, dtype = sys.argv[1:3]
    epochs, batch = int(sys.argv[3]), int(sys.argv[4])
    rate, decay, warmup, goal, seed = (float(word) for word in sys.argv[5:])
    torch.manual_seed(int(seed))
    (images, labels), (test_images, test_labels) = read(folder, "train"), read(folder, "t10k")
    values = images.float() / 255
    mean, std = values.mean(), values.std()
    model = build("small_cnn").to(memory_format=torch.channels_last)
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW([{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}],
                                  lr=rate, fused=True)
    steps = len(images) // batch
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(images))
        for step in range(steps):
            done = epoch + step / steps
            share = 0.5 + 0.5 * math.cos(math.pi * (epoch - warmup) / (epochs - warmup))  # an epoch long, as ours
            share = done / warmup if done < warmup else share
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            rows = order[step * batch:(step + 1) * batch]
            x = ((augment(images[rows]).float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
                loss = F.cross_entropy(model(x), labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        model.eval()
        right = 0
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            for first in range(0, len(test_images), 1000):
                x = (test_images[first:first + 1000].float() / 255 - mean) / std
                x = x.contiguous(memory_format=torch.channels_last)
                right += int((model(x).argmax(1) == test_labels[first:first + 1000]).sum())
        print(f"{epoch + 1} {right / len(test_images):.4f} {time.time():.3f}", flush=True)
        if right / len(test_images) >= goal:
            break


if __name__ == "__main__":
    main()
