#!/usr/bin/env python3
"""Records what the classes of torchvision's v2 transforms do when they draw what the program draws: mix.json, mix.safetensors.

MixUp and CutMix with given shares and centres; RandomResizedCrop and RandomErasing with the numbers of Philox 4x32-10 that the
program has for (seed, epoch, sample), so that the boxes must come out the same, tries that do not fit included.
Needs torch, torchvision 0.16 or later, numpy, Pillow (recorded with those that INDEX.json names). Usage: make_v2_vectors.py [outdir]"""
import json
import os
import sys

import numpy as np
import torch
import torchvision
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from make_vectors import INDEX, OUT, image, wjson, wst

SEED, EPOCH = 4, 2
STREAM_CROP, STREAM_ERASE = 13, 17  # include/random.h
HEIGHT, WIDTH = 9, 11


def philox(seed, stream, epoch, index, draw):
    c = [index & 0xFFFFFFFF, (index >> 32) ^ (draw << 8) & 0xFFFFFFFF, epoch, stream]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


class Drawn:
    """In place of torch's generator: two uniform numbers and, where they fit, two whole ones, of one block a try."""

    def __init__(self, stream, sample, first):
        self.key, self.attempt, self.block, self.used = (stream, sample), first, None, 2
        self.tries = 0

    def word(self):
        self.used += 1
        return self.block[self.used - 1]

    def uniform(self, tensor, low, high):
        if self.used >= 2:
            self.block, self.used = philox(SEED, self.key[0], EPOCH, self.key[1], self.attempt), 0
            self.attempt += 1
            self.tries += 1
        unit = np.float32((self.word() >> 8) / 2**24)
        return tensor.copy_(torch.tensor(np.float32(low) + unit * (np.float32(high) - np.float32(low))))

    def whole(self, low, high, size):
        return torch.full(size, low + (self.word() * (high - low) >> 32))

    def __enter__(self):
        self.saved = torch.Tensor.uniform_, torch.randint
        torch.Tensor.uniform_ = lambda tensor, low=0, high=1: self.uniform(tensor, float(low), float(high))
        torch.randint = lambda low, high, size: self.whole(low, high, size)
        return self

    def __exit__(self, *error):
        torch.Tensor.uniform_, torch.randint = self.saved


def pictures():
    stored = np.stack([(image(HEIGHT, WIDTH).astype(int) + 77 * i & 255).astype(np.uint8) for i in range(4)])
    return stored, torch.from_numpy(stored.transpose(0, 3, 1, 2).copy()).float().div(255)


def mixes(tensors, batch):
    labels, cases = torch.tensor([3, 0, 2, 2]), []
    for i, share in enumerate((0.5, 0.625, 0.9375, 54321 / 65536)):
        transform = v2.MixUp(alpha=1.0, num_classes=5)
        transform._dist.sample = lambda shape, share=share: torch.tensor(share)
        mixed, targets = transform(batch, labels)
        tensors[f"mixup.{i}"] = mixed.contiguous()
        cases.append({"op": "mixup", "key": f"mixup.{i}", "share": share, "labels": labels.tolist(), "targets": targets})
    for i, (share, x, y) in enumerate(((0.5, 5, 4), (0.625, 0, 8), (0.9375, 10, 0), (0.75, 3, 7), (0.999, 5, 5))):
        transform = v2.CutMix(alpha=1.0, num_classes=5)
        transform._dist.sample = lambda shape, share=share: torch.tensor(share)
        places, saved = iter((x, y)), torch.randint
        torch.randint = lambda high, size: torch.full(size, next(places))
        mixed, targets = transform(batch, labels)
        torch.randint = saved
        tensors[f"cutmix.{i}"] = mixed.contiguous()
        cases.append({"op": "cutmix", "key": f"cutmix.{i}", "share": share, "x": x, "y": y, "labels": labels.tolist(), "targets": targets})
    return cases


def crops(tensors, batch):
    cases = []
    for (height, width), ratio, samples in (((9, 11), (3 / 4, 4 / 3), 24), ((30, 37), (3 / 4, 4 / 3), 24), ((40, 8), (3 / 4, 4 / 3), 16), ((8, 33), (0.9, 1.1), 16)):
        transform = v2.RandomResizedCrop((6, 7), scale=(0.08, 1.0), ratio=ratio)
        for sample in range(samples):
            with Drawn(STREAM_CROP, sample, 0) as drawn:
                box = transform.make_params([torch.zeros(3, height, width)])
            ijhw = [box[k] for k in ("top", "left", "height", "width")]
            case = {"op": "crop", "H": height, "W": width, "ratio": list(ratio), "sample": sample, "ijhw": ijhw, "tries": drawn.tries}
            if (height, width) == (HEIGHT, WIDTH) and sample < 6:
                case["key"] = f"crop.{sample}"
                tensors[case["key"]] = F.resized_crop(batch[0], *ijhw, [6, 7], antialias=False).contiguous()
            cases.append(case)
    return cases


def erasures(tensors, batch):
    cases, transform = [], v2.RandomErasing(p=1.0, scale=(0.05, 0.9), ratio=(0.3, 3.3), value=0)
    normal = F.normalize(batch[0], [0.5, 0.25, 0.75], [0.25, 0.5, 2.0])
    for sample in range(24):
        with Drawn(STREAM_ERASE, sample, 1) as drawn:
            box = transform.make_params([normal])
        none = box["v"] is None
        case = {"op": "erase", "sample": sample, "ijhw": [0, 0, 0, 0] if none else [box[k] for k in "ijhw"], "tries": drawn.tries}
        if sample < 6:
            case["key"] = f"erase.{sample}"
            tensors[case["key"]] = transform.transform(normal.clone(), box).contiguous()
        cases.append(case)
    return cases


def main():
    stored, batch = pictures()
    tensors = {"pictures": stored}
    cases = mixes(tensors, batch) + crops(tensors, batch) + erasures(tensors, batch)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__}
    wst("mix", tensors, {"note": "pictures [4] HWC uint8; results CHW float32"}, "torchvision v2 classes on float tensors: MixUp, CutMix, RandomResizedCrop, RandomErasing")
    wjson("mix", {"seed": SEED, "epoch": EPOCH, "versions": versions, "cases": cases}, "case list of mix.safetensors; boxes for drawn numbers (make_v2_vectors.py)")
    path = os.path.join(OUT, "INDEX.json")
    with open(path) as file:
        index = json.load(file)
    index = {**{k: v for k, v in index.items() if not k.startswith("_")}, **INDEX, "_versions": index["_versions"], "_versions_mix": versions}
    with open(path, "w") as file:
        json.dump(index, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
