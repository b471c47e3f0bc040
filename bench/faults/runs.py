"""The planted-fault benchmark's runs: trains every row of the plan once and keeps what it left. Standard library only.

  runs.py FOLDER [--part tune|test] [--jobs N] [--only WORD] [--list]

FOLDER keeps data, runs and the best learning rates; what is there is not made again. EVENKEEL names the program (default
build/evenkeel), EVENKEEL_DATA real data; without it only generated tiles are used. Networks and seeds of the two parts
differ: thresholds are chosen on `tune`, figures are reported on `test`.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import subprocess
import sys

import plant

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("EVENKEEL", os.path.join(HERE, "../../build/evenkeel"))
STEPS, BATCH, TRAIN, TEST = 750, 64, 12000, 2000

PARTS = {
    "tune": {"networks": ["mlp", "cnn", "cnn_plain"], "seeds": [1], "data_seed": 1},
    "test": {"networks": ["vgg", "resnet", "cnn", "mlp"], "seeds": [11, 12], "data_seed": 2},
}
OPTIMIZERS = {"adam": [1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 2e-2], "sgd": [2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 3e-1]}
MARK = "result.json"


# ---- data ----


class Fashion:
    name = "fashion"

    def __init__(self, folder, seed):
        self.source = os.path.join(os.environ["EVENKEEL_DATA"], "fashion-mnist")
        self.folder, self.seed = os.path.join(folder, "data"), seed

    def keys(self, fault=None, severity=0.0):
        """Overrides that name a data set with this fault."""
        path = os.path.join(self.folder, f"fashion-{self.seed}-{fault or 'clean'}-{severity:g}")
        plant.plant(self.source, path, TRAIN, TEST, self.seed, fault, severity)
        order = ["data.shuffle=false"] if fault == "sorted" else []
        return order + [f"data.train={path}", f"data.val={path}"]


class Tiles:
    """Generated tiles; the program draws them, spoiled on request."""
    name = "tiles"
    knobs = {"labels": "--label-noise", "illumination": "--illumination", "outliers": "--outliers",
             "imbalance": "--imbalance"}

    def __init__(self, folder, seed):
        self.folder, self.seed = os.path.join(folder, "data"), seed

    def draw(self, count, options):
        path = os.path.join(self.folder, "tiles-" + "-".join([str(self.seed), str(count)] + options).replace("--", ""))
        if not os.path.exists(path):
            command = [PROGRAM, "synth", path, "--per-class", str(count), "--size", "32", "--seed", str(self.seed)]
            subprocess.run(command + options, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return path

    def keys(self, fault=None, severity=0.0):
        options, count, keys = [], 400, []
        if fault == "few":
            count = max(2, int(severity) // 10)
        elif fault == "sorted":
            keys = ["data.shuffle=false"]
        elif fault in self.knobs:
            severity = {"imbalance": 1 - 1 / max(severity, 1), "illumination": severity / 1.4}.get(fault, severity)
            options = [self.knobs[fault], f"{severity:g}"]
        elif fault:
            return None
        train, val = self.draw(count, options), self.draw(400, [])
        return keys + [f"data.train={train}/train", f"data.val={val}/val"]


# ---- faults: truth, and what makes it, by severity ----


def rate(factors):
    return lambda case: [[f"optim.lr={case.lr * factor:g}"] for factor in factors[case.optimizer]]


def config(*words):
    return lambda case: [word.split() for word in words]


def data_fault(name, *severities):
    return lambda case: [case.data.keys(name, severity) for severity in severities]


def capacity(case):
    return {"mlp": [["model.hidden=2"], ["model.hidden=3"]]}.get(case.network, [["model.width=1"]]
                                                                  if case.network.startswith("cnn") else [])


def overfit(case):
    keys = case.data.keys("few", 600)
    return [keys + ["train.max_steps=1500", "train.epochs=100000"] + wide(case)]


def wide(case):
    return ["model.hidden=512"] if case.network == "mlp" else \
        ["model.width=32"] if case.network.startswith("cnn") else []


def adam_only(make):
    return lambda case: make(case) if case.optimizer == "adam" else []


def sgd_only(make):
    return lambda case: make(case) if case.optimizer == "sgd" else []


FAULTS = [
    ("rate_high", "rate_high", rate({"adam": [10, 30, 100], "sgd": [5, 10, 30]})),
    ("rate_low", "rate_low", rate({"adam": [1 / 30, 1 / 100, 1 / 1000], "sgd": [1 / 30, 1 / 100, 1 / 1000]})),
    ("batch_small", "batch", config("train.batch_size=8", "train.batch_size=4", "train.batch_size=2")),
    ("labels", "labels", data_fault("labels", 0.1, 0.2, 0.4)),
    ("labels", "pairs", data_fault("pairs", 0.2, 0.4)),
    ("input_scale", "scale", config("augment.mean=0.3 augment.std=0.05", "augment.mean=0 augment.std=0.0039215686",
                                    "augment.mean=1 augment.std=0.05")),
    ("illumination", "illumination", data_fault("illumination", 0.35, 0.7, 1.4)),
    ("outliers", "outliers", data_fault("outliers", 0.01, 0.05, 0.1)),
    ("imbalance", "imbalance", data_fault("imbalance", 10, 30, 100)),
    ("order", "sorted", data_fault("sorted", 1)),
    ("order", "blocks", data_fault("sorted", 0.1)),
    ("initialisation", "init", config("model.init_scale=0.02", "model.init_scale=4", "model.init_scale=0")),
    ("capacity", "capacity", capacity),
    ("overfitting", "few", overfit),
    ("weight_decay", "decay", config("optim.weight_decay=0.05", "optim.weight_decay=0.1", "optim.weight_decay=0.5")),
    ("adam", "beta2", adam_only(config("optim.beta2=0.5", "optim.beta2=0.2"))),
    ("adam", "eps", adam_only(config("optim.eps=0.1", "optim.eps=1"))),
    ("plain_sgd", "plain", sgd_only(config("optim.momentum=0"))),
    ("schedule", "schedule", config("schedule.name=step schedule.step_epochs=1 schedule.gamma=0.05",
                                    "schedule.warmup_epochs=100 schedule.warmup_start=0.001")),
]
HEALTHY = {
    "rates": [[f"x{factor}"] for factor in (0.3, 0.6, 1, 1.5, 2)],
    "variants": [[], ["train.batch_size=32"], ["train.batch_size=128"], ["train.batch_size=256", "train.max_steps=400"],
                 ["augment.hflip=0.5", "augment.crop_padding=2", "augment.rotate=10"], ["schedule.name=cosine"],
                 ["model.dropout=0.2"], ["train.label_smoothing=0.1"]],
}


class Case:
    """A network on a data set with an optimizer: what faults are planted into."""

    def __init__(self, network, data, optimizer, lr):
        self.network, self.data, self.optimizer, self.lr = network, data, optimizer, lr

    def keys(self):
        return [f"optim.name={self.optimizer}", f"optim.lr={self.lr:g}", f"train.batch_size={BATCH}",
                f"train.max_steps={STEPS}", "train.epochs=1000"] + self.data.keys()


# ---- running ----


def train(folder, name, network, keys):
    """Trains unless it is there. Keys later in the list win. Returns the run's row."""
    path = os.path.join(folder, "runs", name)
    mark = os.path.join(path, MARK)
    if not os.path.exists(mark):
        subprocess.run(["rm", "-rf", path], check=True)
        last = {}
        for key in keys:
            last[key.split("=")[0]] = key
        command = [PROGRAM, "train", os.path.join(HERE, "networks", network + ".ini"), *last.values(),
                   "train.threads=1", "train.precision=fp32", f"run.dir={folder}/runs", f"run.name={name}"]
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
    accuracy = max([number(row, "metrics/accuracy_top1") for row in rows], default=float("nan"))
    return {"val_accuracy": accuracy, "val_loss": min([number(row, "val/loss") for row in rows], default=float("nan")),
            "train_loss": number(rows[-1], "train/loss") if rows else float("nan")}


def best_rate(folder, network, data, optimizer, pool):
    """The rate of the lowest validation loss, of a sweep kept in FOLDER."""
    case = Case(network, data, optimizer, 0)
    tries = [pool.submit(train, folder, f"rate-{network}-{data.name}{data.seed}-{optimizer}-{lr:g}", network,
                         case.keys() + [f"optim.lr={lr:g}", "train.seed=0", "train.max_steps=500"])
             for lr in OPTIMIZERS[optimizer]]
    losses = [done.result()["val_loss"] for done in tries]
    losses = [loss if loss == loss else float("inf") for loss in losses]
    return OPTIMIZERS[optimizer][losses.index(min(losses))]


def plan(case, seeds):
    """(truth, name, keys) of every run of a case."""
    base = case.keys()
    for seed in seeds:
        end = [f"train.seed={seed}"]
        for i, ((factor,), variant) in enumerate((r, v) for r in HEALTHY["rates"] for v in HEALTHY["variants"]):
            # every rate with every other variant; all variants at the best rate
            if factor == "x1" or (i + seed) % 4 == 0:
                yield "healthy", f"healthy{factor}-{i % len(HEALTHY['variants'])}-s{seed}", \
                    base + [f"optim.lr={case.lr * float(factor[1:]):g}"] + variant + end
        for truth, name, make in FAULTS:
            for level, keys in enumerate(make(case)):
                if keys is not None:
                    steps = ["train.max_steps=1500"] if truth == "batch_small" else []
                    yield truth, f"{name}{level}-s{seed}", base + steps + keys + end


def sources(folder, seed):
    found = [Tiles(folder, seed)]
    if os.environ.get("EVENKEEL_DATA"):
        found.insert(0, Fashion(folder, seed))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--part", choices=PARTS, default="tune")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    part, rows = PARTS[args.part], []
    os.makedirs(os.path.join(args.folder, "data"), exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        waiting = []
        for data in sources(args.folder, part["data_seed"]):
            for network in part["networks"]:
                for optimizer in OPTIMIZERS:
                    lr = 1e-3 if args.list else best_rate(args.folder, network, data, optimizer, pool)
                    case = Case(network, data, optimizer, lr)
                    for truth, name, keys in plan(case, part["seeds"]):
                        full = f"{args.part}-{network}-{data.name}-{optimizer}-{name}"
                        if args.only not in full:
                            continue
                        if args.list:
                            print(truth, full)
                            continue
                        group = f"{network}-{data.name}-{optimizer}"
                        waiting.append((truth, group, pool.submit(train, args.folder, full, network, keys)))
        for truth, group, done in waiting:
            rows.append({"truth": truth, "group": group, **done.result()})
            if "error" in rows[-1]:
                print(rows[-1]["name"], rows[-1]["error"], file=sys.stderr)
    if not args.list:
        with open(os.path.join(args.folder, args.part + ".json"), "w") as file:
            json.dump(rows, file, indent=1)
        print(f"{len(rows)} runs in {args.folder}/runs, listed in {args.part}.json")


if __name__ == "__main__":
    main()
