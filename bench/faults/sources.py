"""Where the planted-fault benchmark's images come from: each source names, as overrides, a data set with a fault planted into it.
Standard library only, but for what draw.py draws: that is left out where its packages are missing."""
import os
import random
import subprocess
import sys

import draw
import plant

TRAIN, TEST = 12000, 2000


class Source:
    """idle: names are wanted, and no data set is to be made. train, test: images at most. whole: faults are planted before validation images
    are set aside."""
    idle = whole = False
    classes, train, test, colour = 10, TRAIN, TEST, False


NOT_OF_WHOLE = ("mismatch", "grain", "transposed", "swapped", "imbalance", "longtail", "absent")  # which a part set aside at random has no more and no less than the rest


class Files(Source):
    """Part of a data set in files that plant.py reads, spoiled on request."""

    def __init__(self, folder, seed, program):
        self.folder, self.seed = os.path.join(folder, "data"), seed

    def keys(self, fault=None, severity=0.0):
        """Overrides that name a data set with this fault; None: this source cannot have it."""
        if self.whole and fault in NOT_OF_WHOLE:
            return None
        if fault == "swapped" and not self.colour:
            return None
        path = os.path.join(self.folder, f"{self.name}-{self.seed}-{fault or 'clean'}-{severity:g}")
        aside = self.test / (self.train + self.test)
        if not self.idle:
            plant.plant(self.source(), path, self.train, self.test, self.seed, fault, severity / (1 - aside) if self.whole and fault == "few" else severity, self.whole)
        order = ["data.shuffle=false"] if fault == "sorted" else []
        if self.whole:
            return order + [f"data.train={path}", f"data.val_fraction={aside:.4f}"]
        return order + [f"data.train={path}", f"data.val={path}"]


class Fashion(Files):
    name = "fashion"

    def source(self):
        return os.path.join(os.environ["EVENKEEL_DATA"], "fashion-mnist")


class Drawn(Files):
    """Images that draw.py draws, once."""

    def source(self):
        path = os.path.join(self.folder, f"{self.name}-{self.seed}-all")
        if not os.path.exists(path):
            draw.DRAWN[self.name](path + ".new", (self.train, self.test), self.seed)
            os.rename(path + ".new", path)
        return path


class Letters(Drawn):
    name = "letters"


class Glyphs(Drawn):
    name = "glyphs"
    classes = 26


class Digits(Drawn):
    name = "digits"


class Shapes(Drawn):
    name = "shapes"
    classes, train, test = 12, 6000, 1500


class Textures(Drawn):
    name = "textures"
    classes, train, test = 8, 6000, 1500


class Fields(Drawn):
    name = "fields"
    classes, train, test = 6, 2400, 600


class Meadows(Drawn):
    name = "meadows"
    classes, train, test = 4, 1600, 400


class Dials(Drawn):
    name = "dials"
    classes = 16


class Gratings(Drawn):
    name = "gratings"
    classes = 9


class Grounds(Drawn):
    name = "grounds"
    classes = 5


class Scenes(Drawn):
    name = "scenes"
    classes = 20


class Strokes(Drawn):
    name = "strokes"
    classes = 14


class Cells(Drawn):
    name = "cells"
    classes = 7


class Wares(Drawn):
    name = "wares"
    classes = 12


class Greens(Drawn):
    name = "greens"
    classes, train, test = 5, 2000, 500


class Wardrobe(Drawn):
    name = "wardrobe"
    classes = 6


class Fruit(Drawn):
    name = "fruit"
    classes, train, test, colour = 8, 3600, 900, True


class Calls(Drawn):
    name = "calls"
    classes, train, test = 9, 6000, 1200


class Shoes(Drawn):
    name = "shoes"
    classes, train, test = 5, 1200, 800


class Metal(Drawn):
    name = "metal"
    classes, train, test = 7, 4000, 1000


class Overhead(Drawn):
    name = "overhead"
    classes, train, test = 7, 2800, 700


class Numbers(Drawn):
    name = "numbers"
    classes, train, test = 30, 4500, 900


class Swatches(Drawn):
    name = "swatches"
    classes, train, test = 6, 2400, 960


class Plots(Drawn):
    name = "plots"
    classes, train, test, colour = 3, 2400, 600, True


class Bolts(Drawn):
    name = "bolts"
    classes, train, test = 8, 3200, 800


class Stars(Drawn):
    name = "stars"
    classes, train, test = 6, 3000, 900


class Leaves(Drawn):
    name = "leaves"
    classes, train, test, colour = 7, 3200, 800, True


class Stalls(Drawn):
    name = "stalls"
    classes, train, test = 4, 2800, 700


class Meters(Drawn):
    name = "meters"
    classes, train, test = 10, 4000, 1000


class Beats(Drawn):
    name = "beats"
    classes, train, test = 6, 3600, 900


class Flights(Drawn):
    name = "flights"
    classes, train, test, colour = 8, 3200, 800, True


class Tiles(Source):
    """Generated tiles; the program draws them, spoiled on request."""
    name = "tiles"
    knobs = {"labels": "--label-noise", "illumination": "--illumination", "outliers": "--outliers",
             "imbalance": "--imbalance"}

    def __init__(self, folder, seed, program):
        self.folder, self.seed, self.program = os.path.join(folder, "data"), seed, program

    def draw(self, count, options):
        path = os.path.join(self.folder, "tiles-" + "-".join([str(self.seed), str(count)] + options).replace("--", ""))
        if not self.idle and not os.path.exists(path):
            command = [self.program, "synth", path, "--per-class", str(count), "--size", "32", "--seed", str(self.seed)]
            subprocess.run(command + options, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return path

    def keys(self, fault=None, severity=0.0):
        options, count, keys = [], self.train // 10, []
        if fault == "few":
            count = max(2, int(severity) // 10)
        elif fault == "sorted":
            if severity < 1:
                return None
            keys = ["data.shuffle=false"]
        elif fault in self.knobs:
            severity = {"imbalance": 1 - 1 / max(severity, 1), "illumination": severity / 1.4}.get(fault, severity)
            options = [self.knobs[fault], f"{severity:g}"]
        elif fault:
            return None
        train, val = self.draw(count, options), self.draw(self.train // 10, [])
        return keys + [f"data.train={train}/train", f"data.val={val}/val"]


class Eurosat(Source):
    """A folder of class folders: faults that need no new pixels, made of symbolic links."""
    name = "eurosat"

    def __init__(self, folder, seed, program):
        self.source = os.path.join(os.environ["EVENKEEL_DATA"], "eurosat")
        self.folder, self.seed = os.path.join(folder, "data"), seed

    def link(self, path, fault, severity):
        chance = random.Random(f"{self.seed}/{fault}/{severity}")
        classes = sorted(os.listdir(os.path.join(self.source, "train")))
        for label, name in enumerate(classes):
            os.makedirs(os.path.join(path + ".new", name), exist_ok=True)
        for label, name in enumerate(classes):
            for i, file in enumerate(sorted(os.listdir(os.path.join(self.source, "train", name)))):
                filed = label
                if fault == "labels" and chance.random() < severity:
                    filed = (label + 1 + chance.randrange(len(classes) - 1)) % len(classes)
                if fault == "pairs" and chance.random() < severity:
                    filed = (label + 1) % len(classes)
                if fault == "few" and i >= severity // len(classes):
                    continue
                if fault == "imbalance" and label >= len(classes) // 2 and chance.random() >= 1 / severity:
                    continue
                os.symlink(os.path.join(self.source, "train", name, file),
                           os.path.join(path + ".new", classes[filed], f"{name}-{file}"))
        os.rename(path + ".new", path)

    def keys(self, fault=None, severity=0.0):
        keys = ["data.resize=32", f"data.val={self.source}/val"]
        if fault is None or (fault == "sorted" and severity == 1):
            return keys + [f"data.train={self.source}/train"] + (["data.shuffle=false"] if fault else [])
        if fault not in ("labels", "pairs", "few", "imbalance"):
            return None
        path = os.path.join(self.folder, f"eurosat-{self.seed}-{fault}-{severity:g}")
        if not self.idle and not os.path.exists(path):
            subprocess.run(["rm", "-rf", path + ".new"], check=True)
            self.link(path, fault, severity)
        return keys + [f"data.train={path}"]


SOURCES = {source.name: source for source in (Fashion, Tiles, Eurosat, Letters, Glyphs, Digits, Shapes, Textures, Fields, Meadows, Dials,
                                              Gratings, Grounds, Scenes, Strokes, Cells, Wares, Greens, Wardrobe,
                                              Fruit, Calls, Shoes, Metal, Overhead, Numbers, Swatches, Plots, Bolts, Stars,
                                              Leaves, Stalls, Meters, Beats, Flights)}
REAL = (Fashion, Eurosat, Fields, Meadows, Greens, Wardrobe, Shoes, Overhead, Swatches, Plots, Stalls, Flights)


def source_of(name):
    """The source of this name, tiles where it is real data and EVENKEEL_DATA is not set, None where a package is missing (one line)."""
    kind = SOURCES[name]
    if kind in REAL and not os.environ.get("EVENKEEL_DATA"):
        return Tiles
    missing = draw.missing(name)
    if missing:
        print(f"{name}: left out, {' and '.join(missing)} is not installed", file=sys.stderr)
    return None if missing else kind
