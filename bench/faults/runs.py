"""The planted-fault benchmark's runs: trains every row of the plan once and keeps what it left. Standard library only.

  runs.py FOLDER [--part tune|test|blind|fresh|last|sealed|second|third|fourth|fifth|sixth] [--jobs N] [--only WORD] [--every N] [--list]

FOLDER keeps data, runs and the best learning rates; what is there is not made again. EVENKEEL names the program (default
build/evenkeel), EVENKEEL_DATA real data; without it only generated tiles are used. Thresholds are chosen on `tune`, figures are
reported on `test`: networks, seeds, the images drawn and the severities of the faults differ. `blind`, `fresh`, `last`, `sealed`, `second`,
`third`, `fourth`, `fifth` and `sixth` differ from these and from each other, were designed before any of them was trained, and each was first scored with rules that knew nothing of it; once
looked at, a part is blind no more. A new one is a row of PARTS, its severities in FAULTS, and whatever data it needs in draw.py.
"""
import argparse
import concurrent.futures
import csv
import json
import math
import os
import subprocess
import sys

import sources

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("EVENKEEL", os.path.join(HERE, "../../build/evenkeel"))
STEPS, SWEEP_STEPS, BATCH = 750, 400, 64

# network, data, optimizer, seeds. Without real data its rows are of tiles. share N: each group has every N-th row of the plan, others than the next.
# batch, steps: other than BATCH and STEPS. images: (training, validation) at most. variants: of the healthy runs, other than VARIANTS.
# own: of a network, what its runs have beside all that: batch, steps, settings (with {epochs}: planned, they end after so many); whole: faults are
# in all images, of which validation images are set aside afterwards.
PARTS = {
    "tune": {"data_seed": 1, "groups": [
        ("mlp", "fashion", "adam", [1]), ("mlp", "fashion", "sgd", [1]), ("mlp", "tiles", "adam", [1]),
        ("cnn", "fashion", "adam", [1]), ("cnn_plain", "fashion", "sgd", [1]), ("cnn", "tiles", "sgd", [1])]},
    "test": {"data_seed": 2, "groups": [
        ("mlp_deep", "fashion", "adam", [11, 12]), ("mlp_deep", "tiles", "sgd", [11]), ("lenet", "fashion", "sgd", [11]),
        ("resnet", "fashion", "adam", [11]), ("vgg", "fashion", "sgd", [11]), ("lenet", "tiles", "adam", [11]),
        ("lenet", "eurosat", "adam", [11]), ("resnet", "tiles", "sgd", [11]), ("vgg", "eurosat", "adam", [11])]},
    "blind": {"data_seed": 3, "groups": [
        ("mlp", "eurosat", "adam", [21]), ("lenet", "eurosat", "sgd", [21]), ("cnn_plain", "tiles", "adam", [21])]},
    "fresh": {"data_seed": 4, "share": 2, "groups": [
        ("mlp_deep", "digits", "sgd", [31]), ("mobile", "letters", "adam", [31]), ("cnn", "digits", "adam", [31]),
        ("allconv", "letters", "sgd", [31])]},
    "last": {"data_seed": 5, "share": 2, "groups": [
        ("lenet", "glyphs", "adam", [41]), ("mlp", "glyphs", "sgd", [41]), ("cnn_plain", "digits", "sgd", [41])]},
    "sealed": {"data_seed": 6, "batch": 80, "steps": 600, "groups": [
        ("mlp_four", "shapes", "adamw", [51]), ("strided", "textures", "adam", [51]), ("tall", "shapes", "sgd", [51]),
        ("residual", "fields", "sgd", [51]), ("cnn_thin", "textures", "adamw", [51])],
        "variants": [[], ["train.batch_size=48", "train.max_steps=800"], ["train.batch_size=160", "train.max_steps=450"],
                     ["augment.hflip=0.5", "augment.translate=0.1"], ["train.batch_size=320", "train.max_steps=350"],
                     ["schedule.name=cosine", "train.epochs={epochs}", "schedule.warmup_epochs=1"], ["augment.policy=light"],
                     ["train.batch_size=32", "train.max_steps=1000"],
                     ["optim.ema_decay=0.98"], ["train.batch_size=512", "train.max_steps=300"]]},
    "second": {"data_seed": 7, "share": 3, "batch": 56, "steps": 400, "images": (3000, 900), "groups": [
        ("dense", "fashion", "sgd", [61]), ("pyramid", "dials", "sgd", [61]), ("averaged", "gratings", "adam", [61]),
        ("grouped", "grounds", "adamw", [61]), ("lenet", "meadows", "adam", [61]), ("shallow", "scenes", "adamw", [61]),
        ("resnet", "tiles", "sgd", [61])],
        "variants": [[], ["train.batch_size=32", "train.max_steps=700"], ["augment.translate=0.08"],
                     ["train.batch_size=112", "train.max_steps=300"], ["schedule.name=cosine", "train.epochs={epochs}"],
                     ["train.batch_size=224", "train.max_steps=250"], ["augment.rotate=5", "augment.contrast=0.15", "augment.brightness=0.15"],
                     ["train.batch_size=512", "train.max_steps=200"],
                     ["schedule.name=step", "schedule.step_epochs=3", "schedule.gamma=0.5", "schedule.warmup_epochs=0.5"]]},
    "third": {"data_seed": 8, "share": 2, "batch": 72, "steps": 420, "images": (3000, 900), "groups": [
        ("nin", "strokes", "sgd", [71]), ("mixer", "cells", "adam", [71]), ("skip", "wares", "adamw", [71]),
        ("bottleneck", "greens", "sgd", [71]), ("alex", "wardrobe", "adam", [71])],
        "variants": [[], ["train.batch_size=32", "train.max_steps=800"], ["augment.translate=0.06", "augment.rotate=6"],
                     ["train.batch_size=64", "train.accumulate=2", "train.max_steps=340"], ["train.batch_size=288", "train.max_steps=240"],
                     ["schedule.name=cosine", "train.epochs={epochs}", "optim.clip_norm=5"], ["train.batch_size=512", "train.max_steps=180"]]},
    "fourth": {"data_seed": 9, "share": 2, "groups": [
        ("preact", "fruit", "sgd", [81]), ("patches", "calls", "adamw", [81]), ("funnel", "shoes", "adam", [81]),
        ("dual", "metal", "adam", [81]), ("coarse", "overhead", "sgd", [81])],
        "own": {"preact": {"batch": 60, "steps": 420, "settings": [
                    "optim.nesterov=true", "optim.weight_decay=0.0005", "schedule.name=cosine", "train.epochs={epochs}",
                    "augment.hflip=0.5", "augment.translate=0.08"]},
                "patches": {"batch": 100, "steps": 600, "whole": True, "settings": [
                    "schedule.name=cosine", "schedule.warmup_epochs=1", "train.epochs={epochs}", "optim.clip_norm=1"]},
                "funnel": {"batch": 40, "steps": 600, "settings": []},
                "dual": {"batch": 50, "steps": 560, "settings": ["augment.hflip=0.5", "augment.vflip=0.5"]},
                "coarse": {"batch": 64, "steps": 500, "whole": True, "settings": [
                    "optim.momentum=0.95", "optim.weight_decay=0.0001", "schedule.name=step", "schedule.step_epochs=5", "schedule.gamma=0.4"]}},
        "variants": [[], ["train.batch_size=32", "train.max_steps={steps}"], ["augment.hflip=0", "augment.vflip=0", "augment.translate=0"],
                     ["train.batch_size=128", "train.max_steps={steps}"], ["optim.ema_decay=0.97", "optim.ema_warmup=true"],
                     ["train.batch_size=256", "train.max_steps={steps}"], ["augment.brightness=0.1", "augment.contrast=0.1"],
                     ["schedule.name=constant", "schedule.warmup_epochs=0.5"], ["train.batch_size=512", "train.max_steps=300"]]},
    "fifth": {"data_seed": 10, "share": 3, "groups": [
        ("cnn_six", "numbers", "adam", [91]), ("single", "swatches", "sgd", [91]), ("convnext", "plots", "adamw", [91]),
        ("fire", "bolts", "sgd", [91]), ("wide", "stars", "adam", [91])],
        "own": {"cnn_six": {"batch": 128, "steps": 350, "settings": [
                    "schedule.name=cosine", "train.epochs={epochs}", "train.label_smoothing=0.1", "augment.translate=0.05"]},
                "single": {"batch": 24, "steps": 700, "settings": ["optim.weight_decay=0.0001"]},
                "convnext": {"batch": 32, "steps": 450, "settings": [
                    "schedule.name=cosine", "schedule.warmup_epochs=1", "train.epochs={epochs}", "optim.weight_decay=0.05",
                    "augment.hflip=0.5", "augment.vflip=0.5", "optim.ema_decay=0.98", "optim.ema_warmup=true"]},
                "fire": {"batch": 48, "steps": 540, "settings": [
                    "schedule.name=step", "schedule.step_epochs=4", "schedule.gamma=0.3", "optim.weight_decay=0.0005"]},
                "wide": {"batch": 160, "steps": 260, "whole": True, "settings": [
                    "schedule.name=plateau", "schedule.patience=3", "schedule.factor=0.5", "optim.clip_norm=5"]}},
        "variants": [[], ["train.batch_size=16", "train.max_steps={steps}"], ["augment.hflip=0", "augment.vflip=0", "augment.translate=0"],
                     ["train.batch_size=96", "train.max_steps={steps}"], ["train.label_smoothing=0.1"], ["train.batch_size=256", "train.max_steps={steps}"],
                     ["optim.ema_decay=0.99", "optim.ema_warmup=true"], ["train.balance=true"],
                     ["schedule.name=constant", "optim.clip_norm=1"], ["augment.rotate=8", "augment.brightness=0.1", "augment.erase=0.25"]]},
    "sixth": {"data_seed": 11, "share": 4, "groups": [
        ("summed", "flights", "sgd", [101]), ("inverted", "leaves", "adamw", [101]), ("thumb", "meters", "adam", [101]),
        ("twin", "stalls", "sgd", [101]), ("eight", "beats", "adam", [101])],
        "own": {"inverted": {"batch": 64, "steps": 450, "settings": [
                    "schedule.name=cosine", "schedule.warmup_epochs=1", "train.epochs={epochs}", "optim.weight_decay=0.02",
                    "augment.hflip=0.5", "augment.rotate=15"]},
                "twin": {"batch": 50, "steps": 480, "settings": [
                    "schedule.name=plateau", "schedule.patience=2", "schedule.factor=0.3", "optim.weight_decay=0.0002", "augment.hflip=0.5"]},
                "thumb": {"batch": 36, "steps": 680, "settings": []},
                "eight": {"batch": 96, "steps": 400, "settings": [
                    "schedule.name=step", "schedule.step_epochs=4", "schedule.gamma=0.5", "augment.translate=0.07", "optim.clip_norm=3"]},
                "summed": {"batch": 80, "steps": 420, "whole": True, "settings": [
                    "optim.nesterov=true", "optim.weight_decay=0.001", "schedule.name=cosine", "train.epochs={epochs}",
                    "augment.hflip=0.5", "augment.vflip=0.5", "augment.brightness=0.1"]}},
        "variants": [[], ["train.batch_size=20", "train.max_steps={steps}"], ["augment.hflip=0", "augment.vflip=0", "augment.rotate=0", "augment.translate=0"],
                     ["train.batch_size=144", "train.max_steps={steps}"], ["train.label_smoothing=0.05", "optim.ema_decay=0.96", "optim.ema_warmup=true"],
                     ["augment.translate=0.05", "augment.contrast=0.12", "augment.erase=0.2"]]},
}
OPTIMIZERS = {"adam": [1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 2e-2], "adamw": [2e-4, 6e-4, 1.5e-3, 3e-3, 6e-3, 1.2e-2, 3e-2],
              "sgd": [2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 3e-1]}
MARK = "result.json"
MEASURE = "healthy-x1-0"  # what harm is measured by


class Case:
    """A network on a data set with an optimizer: what faults are planted into."""

    def __init__(self, part, network, data, optimizer, lr):
        self.part, self.network, self.data, self.optimizer, self.lr = part, network, data, optimizer, lr
        own = {**PARTS[part], **PARTS[part].get("own", {}).get(network, {})}
        self.batch, self.steps, self.settings = own.get("batch", BATCH), own.get("steps", STEPS), own.get("settings", [])
        self.planned = "train.epochs={epochs}" in self.settings

    def epochs(self):
        return self.steps * self.batch // self.data.train

    def share(self):
        """(N, which): of the faults and of what is healthy at the best rate, every N-th, beginning with another in each group."""
        groups = [(network, optimizer) for network, _, optimizer, _ in PARTS[self.part]["groups"]]
        count = PARTS[self.part].get("share", 1)
        return count, groups.index((self.network, self.optimizer)) if count > 1 else 0

    def keys(self):
        return [f"optim.name={self.optimizer}", f"optim.lr={self.lr:g}", f"train.batch_size={self.batch}",
                f"train.max_steps={self.steps}", "train.epochs=100000"] + self.data.keys() + [one.format(epochs=self.epochs()) for one in self.settings]

    def kept_plan(self, changed):
        """The epochs of a planned run whose batch or updates were changed."""
        given = dict(word.split("=", 1) for word in changed)
        if not self.planned or "train.epochs" in given or not {"train.batch_size", "train.max_steps"} & set(given):
            return []
        seen = int(given.get("train.batch_size", self.batch)) * int(given.get("train.max_steps", self.steps))
        return [f"train.epochs={max(1, seen // self.data.train)}"]


# ---- faults: truth, name, what makes it, and its severities in each part, in PARTS' order. {} stands for the severity ----


def keys(*words):
    return lambda case, x: [word.format(x) for word in words]


def rate(case, factor):
    return [f"optim.lr={case.lr * factor:g}"]


def rate_high(case, factor):
    """Adam bears a higher rate: its factors are three times the others'."""
    return rate(case, factor * (1 if case.optimizer == "sgd" else 3))


def rising(case, factor):
    """The rate rises until the end, to one that is far too high: the first steps are all right."""
    return rate_high(case, factor) + [f"schedule.warmup_epochs={case.epochs()}", "schedule.warmup_start=0"]


def never(case, factor):
    """A rate that a cosine would bring down, planned for an end that the run does not reach: train.epochs is far beyond it."""
    return rate(case, factor) + ["schedule.name=cosine"] + (["train.epochs=100000"] if case.planned else [])


def small_batch(case, size):
    """As many images as the healthy run sees, in more updates."""
    return [f"train.batch_size={size}", f"train.max_steps={case.steps * case.batch // size}"]


def large_batch(case, size):
    """The epochs of the healthy run, planned as such, in far fewer updates."""
    return [f"train.batch_size={size}", "train.max_steps=0", f"train.epochs={case.epochs()}"]


def data(name):
    return lambda case, x: case.data.keys(name, x)


def capacity(case, x):
    if os.path.exists(os.path.join(HERE, "networks", case.network + "_narrow.ini")):
        return [f"network={case.network}_narrow"]
    return [f"model.hidden={x}" if case.network == "mlp" else "model.width=1"]


def vanish(case, x):
    """A network of the same kind, so deep that no gradient comes back to its first layers."""
    name = case.network + "_vanish"
    return [f"network={name}"] if os.path.exists(os.path.join(HERE, "networks", name + ".ini")) else None


def decay(case, x):
    """Of AdamW it is the decay's share of a step, rate x decay, that makes it what it is to SGD with momentum 0.9 at a rate of 0.02."""
    return [f"optim.weight_decay={x if case.optimizer != 'adamw' else x * 0.2 / case.lr:g}"]


def few(case, x):
    grown = {"mlp": ["model.hidden=512"], "cnn": ["model.width=32"], "cnn_plain": ["model.width=32"]}
    return longer(case, x, 1500) + grown.get(case.network, [])


def longer(case, x, steps):
    """Few images, and more updates than the healthy run has."""
    return case.data.keys("few", x) + [f"train.max_steps={steps}"] + ([f"train.epochs={steps // max(1, x // case.batch)}"] if case.planned else [])


def bare(case, x):
    """Few images, and the augmentation that the healthy run has taken away."""
    used = [setting.split("=")[0] for setting in case.settings if setting.startswith("augment.")]
    return longer(case, x, 1200) + [f"{key}=0" for key in used] if used else None


def large(case, x):
    """A network of the same kind, so large that it learns by heart the few images that there are."""
    name = case.network + "_large"
    if os.path.exists(os.path.join(HERE, "networks", name + ".ini")):
        return longer(case, x, 1000) + [f"network={name}"]
    return None


def only(optimizer, make):
    """Adam: AdamW as well."""
    return lambda case, x: make(case, x) if case.optimizer.startswith(optimizer) else None


def lamps(case, x):
    """Lamps: of any colour where there is colour, else one above some place of the image."""
    return case.data.keys("tint" if case.data.colour else "vignette", x)


def plane_scale(case, x):
    """The last plane of three was divided by another number than the others."""
    return ["augment.mean=[0.4, 0.4, 0.4]", f"augment.std=[0.2, 0.2, {x}]"] if case.data.colour else None


def thinned_out(case, x):
    """Dropout that leaves hardly anything, where the network has a key for it."""
    return [f"model.dropout={x}"] if case.network.startswith(("cnn", "mlp")) and not case.network.endswith("_deep") else None


def accumulated(case, count):
    """As many epochs, but so many passes to an update."""
    return [f"train.accumulate={count}", "train.max_steps=0", f"train.epochs={case.epochs()}"]


def plain(case, momentum):
    """Nesterov's form is one of momentum, so that there is none without."""
    return [f"optim.momentum={momentum}"] + (["optim.nesterov=false"] if "optim.nesterov=true" in case.settings else [])


FAULTS = [
    ("rate_high", "rate_high", rate_high, [5, 10, 30], [7, 20], [6, 20], [4, 12], [5, 15], [8, 25], [9, 18], [11, 28], [6, 14, 40], [8, 16, 35], [6.5, 22]),
    ("rate_low", "rate_low", rate, [1 / 30, 1 / 100, 1 / 1000], [1 / 50, 1 / 300], [1 / 20, 1 / 200], [1 / 12, 1 / 150], [1 / 25, 1 / 80], [1 / 40, 1 / 500], [1 / 16, 1 / 120], [1 / 60, 1 / 250], [1 / 45, 1 / 140], [1 / 35, 1 / 180], [1 / 28, 1 / 220]),
    ("batch_small", "batch", small_batch, [8, 4, 2], [6, 3], [5], [7], [4], [9], [10], [5], [6], [3], [2]),
    ("labels", "labels", data("labels"), [0.1, 0.2, 0.4], [0.15, 0.3], [0.1, 0.35], [0.12, 0.25], [0.08, 0.22], [0.18, 0.45], [0.14, 0.33], [0.24, 0.42], [0.13, 0.3], [0.17, 0.37], [0.16, 0.36]),
    ("labels", "pairs", data("pairs"), [0.2, 0.4], [0.3], [0.25], [0.35], [0.28], [0.38], [0.32], [0.34], [0.3], [0.27], [0.31]),
    ("labels", "lumped", data("lumped"), [], [], [], [], [], [], [], [], [0.45], [0.4], [0.48]),
    ("input_scale", "scale", keys("augment.mean=0.3", "augment.std={}"), [0.05, 0.0039215686], [0.02], [0.1], [0.07], [0.04], [0.03], [0.06], [0.0039215686, 0.045], [0.0078, 0.055], [0.011, 0.065], [0.013, 0.08]),
    ("input_scale", "offset", keys("augment.mean=1", "augment.std={}"), [0.05], [0.03], [0.25], [0.1], [0.15], [0.2], [0.12], [0.08], [0.1], [0.09], [0.13]),
    ("input_scale", "forgotten", keys("augment.normalize=none"), [], [], [0], [0], [0], [0], [0], [0], [0], [0], [0]),
    ("illumination", "illumination", data("illumination"), [0.35, 0.7, 1.4], [0.5, 1], [0.8], [0.6], [0.9], [1.2], [0.75, 1.1], [0.65, 1], [0.8, 1.3], [0.7, 1.25], [0.85, 1.15]),
    ("illumination", "shade", data("shade"), [], [], [], [], [], [], [0.95], [0.9], [0.92], [0.96], [0.97]),
    ("illumination", "lamps", lamps, [], [], [], [], [], [], [], [], [0.9], [1.1], [1]),
    ("outliers", "outliers", data("outliers"), [0.01, 0.05, 0.1], [0.03, 0.08], [0.05], [0.06], [0.07], [0.04, 0.12], [0.035, 0.09], [0.08], [0.06, 0.15], [0.05, 0.11], [0.055, 0.14]),
    ("outliers", "blank", data("blank"), [], [], [], [], [], [], [0.1], [0.12], [0.15], [0.13], [0.11]),
    ("outliers", "torn", data("torn"), [], [], [], [], [], [], [], [0.25], [0.2], [0.3], [0.22]),
    ("outliers", "slanted", data("slanted"), [], [], [], [], [], [], [], [], [0.25], [0.2], [0.28]),
    ("imbalance", "imbalance", data("imbalance"), [10, 30, 100], [20, 60], [5, 50], [8, 40], [12, 25], [15, 80], [18, 65], [22, 70], [30, 90], [28, 60], [24, 75]),
    ("imbalance", "longtail", data("longtail"), [], [], [], [], [], [], [], [], [25, 80], [40], [35]),
    ("mismatch", "mismatch", data("mismatch"), [0.3], [0.5], [0.6], [0.4], [0.55], [0.45], [0.35], [0.5], [0.6], [0.65], [0.58]),
    ("mismatch", "grain", data("grain"), [], [], [], [], [], [], [55], [45], [35], [40], [50]),
    ("leakage", "leak", data("leak"), [], [], [], [], [], [], [0.4, 0.7], [0.5], [0.45], [0.55], [0.6]),
    ("leakage", "copies", data("copies"), [], [], [], [], [], [], [], [], [0.5], [0.35], [0.42]),
    ("order", "sorted", data("sorted"), [1], [1], [1], [1], [1], [1], [1], [1], [1], [1], [1]),
    ("order", "blocks", data("sorted"), [0.1], [0.2], [0.1], [0.15], [0.3], [0.25], [0.18], [0.22], [0.2], [0.12], [0.16]),
    ("initialisation", "init", keys("model.init_scale={}"), [0.02, 4, 0], [0.01, 6], [0.05, 3], [0.03, 2.5], [0.04, 3.5], [0.015, 5], [0.025, 7], [0.02, 6], [0.01, 8, 4], [0.008, 12, 0], [0.012, 9, 0]),
    ("capacity", "capacity", capacity, [2, 3], [0], [4], [3], [5], [1], [6], [2], [4], [3], [7]),
    ("overfitting", "few", few, [600], [400], [300], [500], [350], [450], [250], [320], [380], [280], [340]),
    ("overfitting", "large", large, [], [], [], [], [], [], [700], [550], [450], [400], [500]),
    ("overfitting", "bare", bare, [], [], [], [], [], [], [], [], [500], [420], [460]),
    ("weight_decay", "decay", decay, [0.05, 0.1, 0.5], [0.07, 0.3], [0.1], [0.15], [0.08], [0.2], [0.12, 0.4], [0.1, 0.25], [0.13, 0.35], [0.11, 0.28], [0.16, 0.32]),
    ("adam", "beta2", only("adam", keys("optim.beta2={}")), [0.5, 0.2], [0.3], [0.9], [0.4], [0.25], [0.35], [0.45], [0.28], [0.32], [0.38], [0.42]),
    ("adam", "eps", only("adam", keys("optim.eps={}")), [0.1, 1], [0.3], [0.01], [0.03], [0.05], [0.02, 0.2], [0.04, 0.5], [0.08, 0.8], [0.06, 0.3], [0.07, 0.6], [0.055, 0.45]),
    ("plain_sgd", "plain", only("sgd", plain), [0], [0], [0], [0], [0], [0], [0], [0], [0], [0], [0]),
    ("schedule", "drop", keys("schedule.name=step", "schedule.step_epochs=1", "schedule.gamma={}"), [0.05], [0.03], [0.1], [0.06], [0.08], [0.04], [0.07], [0.05], [0.09, 0.4], [0.06, 0.3], [0.075]),
    ("schedule", "plateau", keys("schedule.name=plateau", "schedule.patience=0", "schedule.threshold={}"), [], [], [], [], [], [], [0.4], [0.35], [0.3], [0.38], [0.36]),
    ("schedule", "warmup", keys("schedule.warmup_epochs={}", "schedule.warmup_start=0.001"), [100], [150], [100], [120], [80], [200], [90], [110], [140], [130], [170]),
    ("schedule", "never", never, [], [], [], [], [], [], [], [4], [3], [3.5], [3.2]),
    ("rate_high", "rising", rising, [], [], [], [], [], [15], [20], [25], [12], [18], [16]),
    ("early_stop", "early_stop", keys("early_stop.patience=1", "early_stop.min_delta={}"), [], [], [], [], [], [], [0.25], [0.2], [0.3], [0.15], [0.22]),
    ("clip", "clip", only("sgd", keys("optim.clip_norm={}")), [], [], [], [], [], [0.01], [0.02], [0.015], [0.008], [0.012], [0.018]),
    ("no_signal", "vanish", vanish, [], [], [], [], [], [1], [1], [1], [1], [1], [1]),
    ("regularisation", "erased", keys("augment.erase=1", "augment.erase_area=[0.3, {}]", "augment.rotate=180", "augment.translate=0.4"), [], [], [], [], [], [0.5], [0.6], [0.55], [0.45], [0.5], [0.52]),
    ("regularisation", "softened", keys("train.label_smoothing={}", "augment.mixup=1"), [], [], [], [], [], [0.7], [0.5], [0.6], [0.65], [0.55], [0.58]),
    ("few_updates", "large_batch", large_batch, [], [], [], [], [], [640], [480], [576], [512], [448], [544]),
    ("illumination", "dusk", data("dusk"), [], [], [], [], [], [], [], [], [], [0.75], [0.7]),
    ("illumination", "glare", data("glare"), [], [], [], [], [], [], [], [], [], [0.9], [1.1]),
    ("outliers", "scrambled", data("scrambled"), [], [], [], [], [], [], [], [], [], [0.22], [0.26]),
    ("labels", "slipped", data("slipped"), [], [], [], [], [], [], [], [], [], [0.4], [0.5]),
    ("imbalance", "absent", data("absent"), [], [], [], [], [], [], [], [], [], [1], [2]),
    ("mismatch", "transposed", data("transposed"), [], [], [], [], [], [], [], [], [], [1], [1]),
    ("mismatch", "swapped", data("swapped"), [], [], [], [], [], [], [], [], [], [1], [1]),
    ("leakage", "shifted", data("shifted"), [], [], [], [], [], [], [], [], [], [0.5], [0.6]),
    ("input_scale", "plane", plane_scale, [], [], [], [], [], [], [], [], [], [0.02], [0.03, 0.015, 0.008]),
    ("rate_high", "momentum", only("sgd", keys("optim.momentum={}")), [], [], [], [], [], [], [], [], [], [0.995], [0.99]),
    ("regularisation", "twisted", keys("augment.rotate=180", "augment.shear=50", "augment.scale=[0.3, {}]"), [], [], [], [], [], [], [], [], [], [2], [2.4]),
    ("regularisation", "thinned", thinned_out, [], [], [], [], [], [], [], [], [], [0.9], []),
    ("few_updates", "accumulated", accumulated, [], [], [], [], [], [], [], [], [], [16], [12]),
]
RATES = [0.3, 0.6, 1, 1.5, 2]
VARIANTS = [[], ["train.batch_size=32"], ["train.batch_size=128"], ["train.batch_size=256", "train.max_steps=400"],
            ["augment.hflip=0.5", "augment.crop_padding=2", "augment.rotate=10"],
            ["schedule.name=cosine", "train.epochs={epochs}"],
            ["augment.brightness=0.2", "augment.contrast=0.2"], ["train.label_smoothing=0.1"], ["train.batch_size=512", "train.max_steps=300"]]


def planned(case):
    """(truth, name, what makes its keys) of every run of a case: all variants at the best rate, every rate with some of them, all faults."""
    for factor in RATES:
        for i, variant in enumerate(PARTS[case.part].get("variants", VARIANTS)):
            yield "healthy", f"healthy-x{factor:g}-{i}", lambda f=factor, v=variant: rate(case, f) + [one.format(epochs=case.epochs(), steps=case.steps) for one in v]
    for truth, name, make, *severities in FAULTS:
        for x in severities[list(PARTS).index(case.part)]:
            yield truth, f"{name}-{x:.3g}", lambda m=make, x=x: m(case, x)


def plan(case, seed, make_data=True):
    """(truth, name, keys) of every run of a case. make_data False: names alone are wanted, no data set is made."""
    case.data.idle = not make_data
    share, turn = case.share()
    for i, (truth, name, make) in enumerate(planned(case)):
        elsewhere = truth == "healthy" and not name.startswith("healthy-x1-")
        if name != MEASURE and (i + turn + (seed if elsewhere else 0)) % (4 if elsewhere else share):
            continue
        changed = make()
        if changed is not None:
            yield truth, f"{name}-s{seed}", case.keys() + changed + case.kept_plan(changed) + [f"train.seed={seed}"]


# ---- running ----


def train(folder, name, network, settings):
    """Trains unless it is there. Settings later in the list win. Returns the run's row."""
    path = os.path.join(folder, "runs", name)
    mark = os.path.join(path, MARK)
    if not os.path.exists(mark):
        subprocess.run(["rm", "-rf", path], check=True)
        last = {setting.split("=")[0]: setting for setting in settings}
        network = last.pop("network", "=" + network).split("=")[1]
        command = [PROGRAM, "train", os.path.join(HERE, "networks", network + ".ini"), *last.values(),
                   "train.device=cpu", "train.threads=1", "train.precision=fp32",
                   f"run.dir={folder}/runs", f"run.name={name}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode not in (0, 1) or not os.path.exists(path):
            return {"name": name, "error": done.stderr[-400:]}
        row = {"name": name, "network": network, "status": done.returncode, **outcome(path)}
        with open(mark, "w") as file:
            json.dump(row, file)
    with open(mark) as file:
        return json.load(file)


def outcome(path):
    """How it ended: best validation accuracy, last training loss."""
    with open(os.path.join(path, "results.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    number = lambda row, key: float(row[key] or "nan")
    return {"val_accuracy": max([number(row, "metrics/accuracy_top1") for row in rows], default=float("nan")),
            "val_loss": min([number(row, "val/loss") for row in rows], default=float("nan")),
            "train_loss": number(rows[-1], "train/loss") if rows else float("nan")}


def sweep(folder, case):
    """What makes the runs by which the rate is chosen: (rate, arguments of train)."""
    steps, prefix = [f"train.max_steps={SWEEP_STEPS}"], f"rate-{case.network}-{case.data.name}{case.data.seed}-{case.optimizer}"
    for lr in OPTIMIZERS[case.optimizer]:
        yield lr, (folder, f"{prefix}-{lr:g}", case.network,
                   case.keys() + [f"optim.lr={lr:g}", "train.seed=0", *steps, *case.kept_plan(steps)])


def best_rate(folder, case):
    """The rate of the lowest validation loss, of a sweep kept in FOLDER; None: no rate gets 5 % below guessing, so that there is no
    healthy run to measure by."""
    losses = {}
    for lr, arguments in sweep(folder, case):
        loss = train(*arguments).get("val_loss", float("nan"))
        losses[lr] = loss if loss == loss else float("inf")
    best = min(losses, key=losses.get)
    return best if losses[best] < 0.95 * math.log(case.data.classes) else None


def groups(folder, part):
    """(network, data, optimizer, seeds), each once."""
    found, seed = {}, PARTS[part]["data_seed"]
    for network, name, optimizer, seeds in PARTS[part]["groups"]:
        kind = sources.source_of(name)
        if kind:
            source = kind(folder, seed, PROGRAM)
            source.whole = PARTS[part].get("own", {}).get(network, {}).get("whole", False)
            source.train, source.test = map(min, (source.train, source.test), PARTS[part].get("images", (source.train, source.test)))
            found.setdefault((network, kind.name, optimizer), (network, source, optimizer, seeds))
    return list(found.values())


def thinned(rows, every):
    """Every N-th of the healthy runs, those that harm is measured by, and all faults."""
    healthy = 0
    for row in rows:
        healthy += row[0] == "healthy"
        if row[0] != "healthy" or MEASURE + "-" in row[1] or healthy % every == 1 % every:
            yield row


def urgency(name, settings, place):
    """What harm is measured by first, then the longest runs, then the groups by turns: so that little is lost if time runs out."""
    steps = [int(setting.split("=")[1]) for setting in settings if setting.startswith("train.max_steps=")][-1]
    return MEASURE + "-" not in name, -(steps // 2000), place


def run_part(folder, part, jobs, words, every):
    """Makes what is missing of a part, and returns all rows; the list is written at the end."""
    rows, waiting = [], []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        wanted = [(f"{network}-{source.name}-{optimizer}", Case(part, network, source, optimizer, 0), seeds)
                  for network, source, optimizer, seeds in groups(folder, part)]
        wanted = [one for one in wanted if words in f"{part}-{one[0]}"]
        for done in [pool.submit(train, *arguments) for _, case, _ in wanted for _, arguments in sweep(folder, case)]:
            done.result()
        for group, case, seeds in wanted:
            case.lr = best_rate(folder, case)
            if case.lr is None:
                print(f"{group}: left out, it learns nothing at any rate", flush=True)
                continue
            planned = [run for seed in seeds for run in thinned(plan(case, seed), every)]
            print(f"{group}: best rate {case.lr:g}, {len(planned)} runs", flush=True)
            waiting += [(urgency(*run[1:], i), group, (*run, case.network)) for i, run in enumerate(planned)]
        done = [(truth, group, pool.submit(train, folder, f"{part}-{group}-{name}", network, settings))
                for _, group, (truth, name, settings, network) in sorted(waiting)]
        for truth, group, one in done:
            rows.append({"truth": truth, "group": group, **one.result()})
            if "error" in rows[-1]:
                print(rows[-1]["name"], rows[-1]["error"], file=sys.stderr)
        with open(os.path.join(folder, part + ".json"), "w") as file:
            json.dump(rows, file, indent=1)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--part", choices=PARTS, default="tune")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="groups whose name has this in it")
    parser.add_argument("--every", type=int, default=1, help="of the healthy runs every N-th alone")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    if not args.list:
        run_part(folder, args.part, args.jobs, args.only, args.every)
        return
    for network, source, optimizer, seeds in groups(folder, args.part):
        for seed in seeds:
            for truth, name, settings in plan(Case(args.part, network, source, optimizer, 1e-3), seed, False):
                print(truth, f"{network}-{source.name}-{optimizer}-{name}", *settings)


if __name__ == "__main__":
    main()
