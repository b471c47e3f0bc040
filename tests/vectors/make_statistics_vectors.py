#!/usr/bin/env python3
"""Records what a run must write of itself: statistics.json. Small networks are trained in PyTorch, in double precision, from the
weights that the program draws (Philox 4x32-10), on the images and in the order that the test gives to `evenkeel train`; each
statistic is computed as docs/statistics.md defines it, from whole arrays: no sketch, no histogram, no running sum.
Needs torch alone (recorded with the one that INDEX.json names). Usage: make_statistics_vectors.py [outdir]"""
import json
import math
import os
import random
import statistics
import sys

import torch
import torch.nn.functional as F

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
SEED, SIDE, CLASSES, TRAIN, VAL = 5, 8, 3, 32, 7
EPOCHS, STEP_IMAGES = 5, 6  # two images fill no batch and are left out
LAYERS_EVERY, NOISE_EVERY, WINDOW, SPIKE_LEAST = 4, 8, 64, 16
STREAM_INIT = 3  # include/random.h
NORM_EPS, NORM_MOMENTUM = 1e-5, 0.1

CNN = [
    {"type": "conv", "name": "conv1", "filters": 4, "kernel": 3, "pad": 1, "bias": False},
    {"type": "norm", "name": "bn1", "relu": True},
    {"type": "max_pool", "name": "pool"},
    {"type": "conv", "name": "conv2", "filters": 5, "kernel": 3, "pad": 1, "bias": True},
    {"type": "norm", "name": "bn2"},
    {"type": "relu", "name": "relu2"},
    {"type": "global_pool", "name": "avgpool"},
    {"type": "linear", "name": "fc"},
]
MLP = [
    {"type": "linear", "name": "fc1", "units": 12},
    {"type": "relu", "name": "relu1"},
    {"type": "linear", "name": "fc2", "units": 12},
    {"type": "relu", "name": "relu2"},
    {"type": "linear", "name": "fc"},
]
SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.001}
ADAMW = {"name": "adamw", "lr": 0.02, "weight_decay": 0.01, "clip_norm": 1.0}
CASES = [
    {"name": "cnn", "layers": CNN, "optim": SGD, "batch_size": 6, "accumulate": 1, "smoothing": 0.0},
    {"name": "mlp", "layers": MLP, "optim": ADAMW, "batch_size": 6, "accumulate": 1, "smoothing": 0.1},
    {"name": "accumulated", "layers": CNN, "optim": SGD, "batch_size": 3, "accumulate": 2, "smoothing": 0.0},
]


def philox(seed, stream, epoch, index):
    c = [index & 0xFFFFFFFF, index >> 32, epoch, stream]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def fnv(name):
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def drawn(name, shape, fan_in):
    """U(-1/sqrt(fan_in), +), rounded to float as the program's weights are."""
    count, key = math.prod(shape), fnv(name)
    values = [((philox(SEED, STREAM_INIT, key, i)[0] >> 8) / 2**24 * 2 - 1) / math.sqrt(fan_in) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).float().double().reshape(shape)


class Net:
    """Layers one after another; of each the parameters, and for norms the running statistics."""

    def __init__(self, layers):
        self.layers, self.parts, self.state = layers, {}, {}
        shape = [1, SIDE, SIDE]
        for layer in layers:
            name, kind = layer["name"], layer["type"]
            if kind in ("conv", "linear"):
                out = layer.get("filters", layer.get("units", CLASSES))
                fan_in = shape[0] * layer["kernel"] ** 2 if kind == "conv" else math.prod(shape)
                sizes = [out, shape[0], layer["kernel"], layer["kernel"]] if kind == "conv" else [out, fan_in]
                self.parts[name] = {"weight": drawn(name + ".weight", sizes, fan_in)}
                if layer.get("bias", True):
                    self.parts[name]["bias"] = drawn(name + ".bias", [out], fan_in)
                shape = [out] + shape[1:] if kind == "conv" else [out, 1, 1]
            elif kind == "norm":
                self.parts[name] = {"weight": torch.ones(shape[0]).double(), "bias": torch.zeros(shape[0]).double()}
                self.state[name] = [torch.zeros(shape[0]).double(), torch.ones(shape[0]).double()]
            elif kind == "max_pool":
                shape = [shape[0], shape[1] // 2, shape[2] // 2]
            elif kind == "global_pool":
                shape = [shape[0], 1, 1]
        for part in self.parts.values():
            for value in part.values():
                value.requires_grad_()

    def parameters(self):
        return [value for part in self.parts.values() for value in part.values()]

    def forward(self, x, training, outputs=None, follow=False, statistics_of=None):
        for layer in self.layers:
            name, kind = layer["name"], layer["type"]
            part = self.parts.get(name, {})
            if kind == "conv":
                x = F.conv2d(x, part["weight"], part.get("bias"), padding=layer["pad"])
            elif kind == "linear":
                x = F.linear(x.flatten(1), part["weight"], part["bias"])
            elif kind == "norm":
                mean, var = self.state[name]
                if training and statistics_of is not None:
                    statistics_of[name] = (x.detach().mean((0, 2, 3)), x.detach().transpose(0, 1).flatten(1).var(1))
                keep = (mean, var) if follow or not training else (mean.clone(), var.clone())
                x = F.batch_norm(x, *keep, part["weight"], part["bias"], training, NORM_MOMENTUM, NORM_EPS)
            elif kind == "max_pool":
                x = F.max_pool2d(x, 2)
            elif kind == "global_pool":
                x = x.mean((2, 3))
            if kind == "relu" or layer.get("relu"):
                x = x.relu()
            if outputs is not None:
                outputs[name] = x.detach()
        return x


def picture(label, rng):
    """Stripes of a direction to a class, under noise."""
    rows = [[(row, column, row + column)[label] for column in range(SIDE)] for row in range(SIDE)]
    return [max(0, min(255, int(128 + 60 * math.sin(1.6 * v + 1) + rng.gauss(0, 70)))) for row in rows for v in row]


def pictures(count, rng):
    labels = [rng.randrange(CLASSES) for _ in range(count)]
    pixels = [picture(label, rng) for label in labels]
    for i in range(0, count, 7):  # wrong labels: something to forget
        labels[i] = (labels[i] + 1) % CLASSES
    return {"pixels": pixels, "labels": labels}


def tensor_of(images):
    x = torch.tensor(images["pixels"], dtype=torch.float64).reshape(-1, 1, SIDE, SIDE) / 255
    return (x - 0.5) / 0.25, torch.tensor(images["labels"])


def norm(tensors):
    return math.sqrt(sum(float((t.double() ** 2).sum()) for t in tensors))


def dot(a, b):
    return sum(float((x * y).sum()) for x, y in zip(a, b))


def gradient(net, loss):
    return [g.detach() for g in torch.autograd.grad(loss, net.parameters())]


def layer_rows(net, step, outputs, before, after, grads, batch_statistics, running, exact):
    rows, at = [], 0
    for layer in net.layers:
        name, out = layer["name"], outputs[layer["name"]]
        row = {"step": step, "layer": name, "op": layer["type"]}
        count = len(net.parts.get(name, {}))
        if count:
            own = slice(at, at + count)
            row["weight_norm"] = norm(after[own])
            row["grad_norm"] = norm(grads[own])
            row["update_norm"] = norm([a - b for a, b in zip(after[own], before[own])])
            row["update_ratio"] = row["update_norm"] / row["weight_norm"]
            at += count
        row["mean"], row["deviation"] = float(out.mean()), float(out.std(unbiased=False))
        row["positive"] = float((out > 0).double().mean())
        if layer["type"] == "relu" or layer.get("relu"):
            channels = out.transpose(0, 1).flatten(1)
            row["dead"] = float((channels.max(1).values <= 0).double().mean())
        if layer["type"] == "norm" and exact:
            (mean, var), (old_mean, old_var) = batch_statistics[name], running[name]
            row["mean_gap"] = float((((mean - old_mean) ** 2 / (old_var + NORM_EPS)).mean()).sqrt())
            row["variance_gap"] = float(((((var + NORM_EPS) / (old_var + NORM_EPS)).log() ** 2).mean()).sqrt())
        rows.append(row)
    return rows


def noise_of_step(case, row, grads, q, halves):
    """docs/statistics.md, the noise scale: from parts, or from the halves of one batch."""
    n, m = STEP_IMAGES, case["accumulate"]
    if m > 1:
        mean_q, whole = statistics.fmean(q), norm(grads) ** 2
        return (m * whole - mean_q) / (m - 1), n / (m - 1) * (mean_q - whole)
    a, row["half_norm"] = halves, norm(halves)
    b = [2 * g - x for g, x in zip(grads, a)]
    return dot(a, b), norm([x - y for x, y in zip(a, b)]) ** 2 / (2 / n + 2 / n)


def smooth_error(errors, epochs):
    """Batches of an epoch are drawn without replacement from all images; parts of several epochs add up."""
    total = 0.0
    for epoch in set(epochs):
        own = [e for e, at in zip(errors, epochs) if at == epoch]
        total += len(own) ** 2 * statistics.fmean(own) / len(own) * (1 - len(own) * STEP_IMAGES / TRAIN)
    return math.sqrt(total) / len(errors)


def quantile(losses, share):
    """Of the sorted losses, numbered from 0, the one at so large a share of the last number, rounded down."""
    return sorted(losses)[math.floor(share * (len(losses) - 1))]


def run(case, images, labels, val):
    net, spec = Net(case["layers"]), case["optim"]
    if spec["name"] == "sgd":
        optimizer = torch.optim.SGD(net.parameters(), lr=spec["lr"], momentum=spec["momentum"], weight_decay=spec["weight_decay"])
    else:
        optimizer = torch.optim.AdamW(net.parameters(), lr=spec["lr"], weight_decay=spec["weight_decay"])
    batch, m, n = case["batch_size"], case["accumulate"], STEP_IMAGES
    per_epoch = TRAIN // n
    steps, layers, epochs = [], [], []
    seen = [{"loss": [], "margin": [], "probability": [], "prediction": []} for _ in range(TRAIN)]
    last_grads = last_update = None
    window = []

    def losses_of(first, **options):
        z = net.forward(images[first : first + batch], True, **options)
        return z, F.cross_entropy(z, labels[first : first + batch], reduction="none", label_smoothing=case["smoothing"])

    for step in range(EPOCHS * per_epoch):
        epoch, position = divmod(step, per_epoch)
        firsts = [position * n + i * batch for i in range(m)]
        before = [p.detach().clone() for p in net.parameters()]
        running = {k: (a.clone(), b.clone()) for k, (a, b) in net.state.items()}
        row = {"step": step, "epoch": epoch + 1, "samples": n, "lr": spec["lr"], "bad": 0, "nonfinite": 0}
        if position + 1 < per_epoch and step % (NOISE_EVERY // 2) == 0:
            with torch.no_grad():
                row["loss_next"] = float(torch.cat([losses_of((position + 1) * n + i * batch)[1] for i in range(m)]).mean())
        halves = gradient(net, losses_of(firsts[0])[1][: n // 2].mean()) if m == 1 else None
        outputs, batch_statistics, parts, all_losses, logits = {}, {}, [], [], []
        for i, first in enumerate(firsts):
            own = {"outputs": outputs} if i == 0 else {}
            z, losses = losses_of(first, follow=True, statistics_of=batch_statistics, **own)
            parts.append(gradient(net, losses.mean()))
            all_losses.append(losses.detach())
            logits.append(z.detach())
        grads = [sum(part[i] for part in parts) / m for i in range(len(before))]
        losses, z = torch.cat(all_losses).tolist(), torch.cat(logits)
        target = labels[firsts[0] : firsts[0] + n]
        row["loss"], row["loss_variance"] = statistics.fmean(losses), statistics.variance(losses)
        row["loss_max"], row["loss_median"], row["loss_p90"] = max(losses), quantile(losses, 0.5), quantile(losses, 0.9)
        row["correct"] = int((z.argmax(1) == target).sum())
        row["grad_norm"] = norm(grads)
        scale = min(1.0, spec["clip_norm"] / (row["grad_norm"] + 1e-6)) if "clip_norm" in spec else 1.0
        for p, g in zip(net.parameters(), grads):
            p.grad = g * scale
        optimizer.step()
        after = [p.detach().clone() for p in net.parameters()]
        update = [a - b for a, b in zip(after, before)]
        row["update_norm"], row["weight_norm"] = norm(update), norm(after)
        row["update_ratio"] = row["update_norm"] / row["weight_norm"]
        row["grad_dot_update"] = dot(grads, update)
        if last_grads:
            row["grad_cosine"] = dot(grads, last_grads) / (norm(grads) * norm(last_grads))
            row["grad_dot_last"] = dot(grads, last_update)
        last_grads, last_update = grads, update
        measured = step % (1 if m > 1 else NOISE_EVERY // 2) == 0
        if measured:
            row["noise_grad"], row["noise_trace"] = noise_of_step(case, row, grads, [norm(p) ** 2 for p in parts], halves)
        past = [w[0] for w in window[-WINDOW:]]
        if len(past) >= SPIKE_LEAST:
            middle = statistics.median(past)
            row["spike_z"] = (row["loss"] - middle) / (1.4826 * statistics.median([abs(p - middle) for p in past]))
        window.append((row["loss"], row["loss_variance"] / n, epoch))
        kept = window[-WINDOW:]
        row["loss_smooth"] = statistics.fmean(w[0] for w in kept)
        row["loss_smooth_error"] = smooth_error([w[1] for w in kept], [w[2] for w in kept])
        steps.append(row)
        if step % LAYERS_EVERY == 0:
            layers += layer_rows(net, step, outputs, before, after, grads, batch_statistics, running, m == 1)
        for i in range(n):
            entry, label = seen[firsts[0] + i], int(target[i])
            entry["loss"].append(float(F.cross_entropy(z[i : i + 1], target[i : i + 1])))
            entry["margin"].append(float(z[i, label] - max(z[i, k] for k in range(CLASSES) if k != label)))
            entry["probability"].append(float(z[i].softmax(0)[label]))
            entry["prediction"].append(int(z[i].argmax()))
        if position == per_epoch - 1:
            own = steps[-per_epoch:]
            with torch.no_grad():
                z = net.forward(val[0], False)
            each = F.cross_entropy(z, val[1], reduction="none").tolist()
            epochs.append({"epoch": epoch + 1, "train/loss": statistics.fmean(r["loss"] for r in own),
                           "train/accuracy": sum(r["correct"] for r in own) / (per_epoch * n), "val/loss": statistics.fmean(each),
                           "val/loss_error": math.sqrt(statistics.variance(each) / VAL),
                           "metrics/accuracy_top1": float((z.argmax(1) == val[1]).double().mean()), "metrics/accuracy_top5": 1.0})
    return {**case, "steps": steps, "layer_rows": layers, "epochs": epochs, "samples": sample_rows(seen, labels)}


def sample_rows(seen, labels):
    rows = []
    for i, entry in enumerate(seen):
        label, times = int(labels[i]), len(entry["loss"])
        if times:
            row = {"sample": i, "label": label, "seen": times}
            right = [p == label for p in entry["prediction"]]
            row.update({k: statistics.fmean(entry[k]) for k in ("loss", "margin", "probability")})
            row["correct"] = sum(right)
            row["forgotten"] = sum(a and not b for a, b in zip(right, right[1:]))
            row["prediction"] = entry["prediction"][-1]
            row["predicted_times"] = [entry["prediction"].count(k) for k in range(CLASSES)]
            rows.append(row)
    return rows


def rounded(value):
    """To 10 digits, a thousand times finer than floats are."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float("%.10g" % value) if isinstance(value, float) else value


def main():
    rng = random.Random(SEED)
    train, val = pictures(TRAIN, rng), pictures(VAL, rng)
    settings = {"seed": SEED, "side": SIDE, "classes": CLASSES, "epochs": EPOCHS, "layers_every": LAYERS_EVERY, "noise_every": NOISE_EVERY}
    runs = [run(case, *tensor_of(train), tensor_of(val)) for case in CASES]
    with open(os.path.join(OUT, "statistics.json"), "w") as file:
        json.dump(rounded({"settings": settings, "train": train, "val": val, "runs": runs}), file, separators=(",", ":"))
        file.write("\n")
    path = os.path.join(OUT, "INDEX.json")
    with open(path) as file:
        index = json.load(file)
    index = {k: v for k, v in index.items() if not k.startswith("_")} | {
        "statistics.json": "steps.csv, layers.csv, samples.csv and results.csv of small runs, in f64 (make_statistics_vectors.py)"
    } | {k: v for k, v in index.items() if k.startswith("_")} | {"_versions_statistics": {"torch": torch.__version__}}
    with open(path, "w") as file:
        json.dump(index, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
