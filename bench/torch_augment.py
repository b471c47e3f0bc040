#!/usr/bin/env python3
"""What bench/bench_augment.c measures, in torchvision.transforms.v2: the same images and policies, to a normalised fp32 batch.

usage: torch_augment.py FOLDER... [--workers N]
  FOLDER: class folders of images of one size (evenkeel synth FOLDER --size 64; then FOLDER/train)

Images are uint8 tensors in memory before the clock starts. "1 process" is a loop over the images in this process, one thread, by its
CPU time (as bench_augment --threads 1), so that other programs disturb little; "N workers" is a DataLoader, whose workers are started before the clock starts.
"""
import argparse
import glob
import os
import time

import numpy
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

BATCH, IMAGES = 64, 512
LINEAR = v2.InterpolationMode.BILINEAR  # as augment.interpolation is unless set
ERASED = v2.RandomErasing(0.25)
END = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.45] * 3, [0.2] * 3)]
# policy: what is done to an image, what to a batch
POLICIES = {
    "none": ([], False),
    "flip + crop": ("crop", False),
    "light": ([v2.RandomHorizontalFlip(), v2.RandomAffine(0, translate=(0.06, 0.06), interpolation=LINEAR)], False),
    "standard": ([v2.RandomHorizontalFlip(), v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=LINEAR), v2.ColorJitter(0.2, 0.2)], False),
    "strong": ([v2.RandomHorizontalFlip(), v2.RandomAffine(15, (0.1, 0.1), (0.8, 1.2), 5, interpolation=LINEAR),
                v2.ColorJitter(0.4, 0.4, 0.4, 0.05), v2.RandomGrayscale(0.1)], True),
}


def transforms(name, side):
    """The policy as one call on an image, and one on a batch or None."""
    steps, mixed = POLICIES[name]
    if steps == "crop":
        steps = [v2.RandomHorizontalFlip(), v2.RandomCrop(side, padding=4)]
    image = v2.Compose([*steps, *END, *([ERASED] if mixed else [])])
    batch = v2.RandomChoice([v2.MixUp(alpha=0.2, num_classes=10), v2.CutMix(alpha=1.0, num_classes=10)]) if mixed else None
    return image, batch


def read(folder):
    files = sorted(glob.glob(os.path.join(folder, "*", "*.png")))[:IMAGES]
    return [torch.from_numpy(numpy.asarray(Image.open(f).convert("RGB")).copy()).permute(2, 0, 1).contiguous() for f in files]


class Images(torch.utils.data.Dataset):
    def __init__(self, images, transform):
        self.images, self.transform = images, transform

    def __len__(self):
        return len(self.images) * 1000

    def __getitem__(self, at):
        return self.transform(self.images[at % len(self.images)]), at % 10


def one_process(images, image, batch, seconds):
    best, labels = 0.0, torch.arange(BATCH) % 10
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.thread_time()
        for first in range(0, len(images), BATCH):
            rows = torch.stack([image(one) for one in images[first:first + BATCH]])
            if batch:
                batch(rows, labels[:len(rows)])
        best = max(best, len(images) / (time.thread_time() - began))
    return best


def workers(images, image, batch, seconds, count):
    loader = torch.utils.data.DataLoader(Images(images, image), BATCH, num_workers=count, prefetch_factor=4)
    took, began = 0, None
    for number, (rows, labels) in enumerate(loader):
        if batch:
            batch(rows, labels)
        if number == 8:
            began = time.perf_counter()
        elif began:
            took += len(rows)
            if time.perf_counter() - began > seconds:
                return took / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="0: none")
    parser.add_argument("--seconds", type=float, default=1.5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    for folder in options.folders:
        images = read(folder)
        side = images[0].shape[-1]
        for name in POLICIES:
            image, batch = transforms(name, side)
            alone = one_process(images, image, batch, options.seconds)
            line = f"{side:4d} x {side:<4d} {name:12s} {alone:9.0f} images/s in 1 process"
            if options.workers:
                many = workers(images, image, batch, options.seconds, options.workers)
                line += f", {many:9.0f} with {options.workers} workers"
            print(line, flush=True)


if __name__ == "__main__":
    main()
