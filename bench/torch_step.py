#!/usr/bin/env python3
"""Whole training steps in PyTorch, of the networks that bench/bench_train.c trains: what there is to compare with.

Channels last, fused AdamW, loss read once a round; on a GPU cuDNN picks among all its algorithms (benchmark_limit 0).
Each network runs in fp32 and under autocast (bf16; fp16 with a gradient scaler on a GPU), eager and with torch.compile
(max-autotune). "batch" trains on one batch that is there already; "resident" picks images out of uint8 ones on the
device, crops, flips and normalises them there. Rounds of the variants alternate, so that what disturbs one disturbs
all; a row is a variant's median. The best variant of each network and data is what counts.

With BENCH_JSON=FILE a JSON object per row is added there as soon as it is known, so that what is ended early keeps what
it has. bench/torch_part.py runs each variant in a process of its own, and sets the rows beside bench_train's. Ends with
1 where nothing could be measured.
"""
import argparse
import gc
import json
import os
import statistics
import sys
import time
import warnings

import torch
from torch.nn import functional as F

from torch_nets import NETS, build

IMAGES = 4096
DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Data:
    """Images on the device, and batches of them."""

    def __init__(self, name, batch, device, resident):
        side, channels, classes, self.pad, *_ = NETS[name]
        self.side, self.batch, self.resident, self.at = side, batch, resident, 0
        count = IMAGES if resident else batch
        generator = torch.Generator().manual_seed(1)
        pixels = torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)
        self.pixels = pixels.to(device, memory_format=torch.channels_last)
        self.labels = torch.randint(0, classes, (count,), generator=generator).to(device)
        self.order = torch.randperm(count, generator=generator).to(device)
        self.fixed = (self.pixels.float() / 255 - 0.5) / 0.25

    def pick(self):
        """One crop offset per batch, as vectorised as plain PyTorch has it; a flip per image."""
        if not self.resident:
            return self.fixed, self.labels
        if self.at + self.batch > len(self.order):
            self.at = 0
        rows = self.order[self.at:self.at + self.batch]
        self.at += self.batch
        x = F.pad(self.pixels[rows].float(), [self.pad] * 4)
        top, left = (int(v) for v in torch.randint(0, 2 * self.pad + 1, (2,)))
        x = x[:, :, top:top + self.side, left:left + self.side]
        flip = torch.rand(len(rows), 1, 1, 1, device=x.device) < 0.5
        x = (torch.where(flip, x.flip(3), x) / 255 - 0.5) / 0.25
        return x.contiguous(memory_format=torch.channels_last), self.labels[rows]


class Variant:
    """One network, bound to a precision, a way of running and a data set; a call is a step."""

    def __init__(self, net, dtype, mode, data, device):
        self.net, self.dtype, self.mode, self.data, self.device = net, dtype, mode, data, device
        self.name = f"{net} {dtype} {mode}"
        torch.manual_seed(1)
        self.model = model = build(net).to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == "fp16")

        def loss_of(x, y):
            with torch.autocast(device.type, DTYPES[dtype], enabled=dtype != "fp32"):
                return F.cross_entropy(model(x), y)

        self.loss_of = torch.compile(loss_of, mode="max-autotune") if mode == "compile" else loss_of

    def step(self):
        loss = self.loss_of(*self.data.pick())
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def round(self, steps):
        """Seconds of a step, the last one's loss read by the host."""
        begin = time.perf_counter()
        for _ in range(steps):
            if self.mode == "compile" and self.device.type == "cuda":
                torch.compiler.cudagraph_mark_step_begin()
            loss = self.step()
        value = float(loss)
        if value != value and self.dtype != "fp16":
            raise RuntimeError(f"{self.net} {self.dtype} {self.mode}: the loss is {value}")
        return (time.perf_counter() - begin) / steps


def warm(variant, seconds):
    """Compiles and lets algorithms be picked; says how many steps take that long."""
    variant.round(1)
    took = variant.round(1)
    variant.round(3 if took < seconds else 1)
    return max(1, min(1000, int(seconds / variant.round(1))))


def attempt(name, call):
    """What the call returns; None, said in a line, where it fails: a compiler that is missing, memory that is not there."""
    try:
        return call()
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        print(f"# {name}: {lines[0][:160]}", flush=True)
        return None


def give_back(device):
    gc.collect()
    if device.type == "cuda":
        torch._dynamo.reset()
        torch.cuda.empty_cache()


def time_data(variants, args, data, name, batch, device):
    """Rounds of the variants in turn; those that fail drop out. Rows are written as soon as they are known; how many."""
    ready = []
    for variant in variants:
        variant.data, variant.times = data, []
        variant.steps = attempt(variant.name, lambda: warm(variant, args.round))
        if variant.steps:
            ready.append(variant)
    for _ in range(args.rounds):
        for variant in list(ready):
            seconds = attempt(variant.name, lambda: variant.round(variant.steps))
            if seconds:
                variant.times.append(seconds)
            else:
                ready.remove(variant)
    timed = [v for v in variants if v.times]
    for variant in timed:
        seconds = statistics.median(variant.times)
        print(f"{variant.net:10} {variant.dtype:5} {batch:5}  {name:9} {batch / seconds:10.0f} images/s "
              f"{seconds * 1e3:9.3f} ms a step  {variant.mode}", flush=True)
        write([{"name": "step", "program": "pytorch " + variant.mode, "net": variant.net, "device": str(device),
                "dtype": variant.dtype, "batch": batch, "data": name, "images_per_second": round(batch / seconds, 1),
                "seconds": seconds, "rounds": len(variant.times)}])
    return len(timed)


def bench(net, args, device):
    """All variants side by side; how many rows."""
    batch = args.batch or NETS[net][5 if device.type == "cpu" else 4]
    sets = {"batch": Data(net, batch, device, False), "resident": Data(net, batch, device, True)}
    variants, rows = [], 0
    for dtype, mode in [(dtype, mode) for mode in args.modes for dtype in args.dtypes]:
        name = f"{net} {dtype} {mode}"
        variant = attempt(name, lambda: Variant(net, dtype, mode, sets["batch"], device))
        if variant and attempt(name, lambda: warm(variant, args.round)):
            variants.append(variant)
        variant = None
        give_back(device)
    for kind, data in sets.items():
        rows += time_data(variants, args, data, kind, batch, device)
    variants.clear()
    give_back(device)
    return rows


def write(rows):
    if os.environ.get("BENCH_JSON"):
        with open(os.environ["BENCH_JSON"], "a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=list(NETS))
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES))
    parser.add_argument("--modes", nargs="+", default=["eager", "compile"], choices=["eager", "compile"])
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", type=float, default=0.5, help="seconds of one round")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="do not say what PyTorch this is")
    args = parser.parse_args()
    device = torch.device(args.device)
    args.dtypes = args.dtypes or (["fp32", "bf16"] if device.type == "cpu" else list(DTYPES))
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("torch_step: PyTorch finds no GPU here; install one built for CUDA, or use --device cpu")
    if args.threads:
        torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 0
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    if not args.quiet:
        print(f"PyTorch {torch.__version__} on {device}, {name}", flush=True)
        write([{"name": "pytorch", "version": torch.__version__, "device": str(device), "device_text": name}])
    rows = sum(attempt(net, lambda: bench(net, args, device)) or 0 for net in args.nets)
    sys.exit(0 if rows else 1)


if __name__ == "__main__":
    main()
