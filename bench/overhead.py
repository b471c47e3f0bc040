#!/usr/bin/env python3
"""What watching a training costs: the time of a step with and without it, of evenkeel and of what others use.

usage: bench/overhead.py [--rounds N] [--steps N] [--epochs N] [--seconds S] [--only NAME …]

One network (three convolutions without batch norm, which Cockpit's BackPACK cannot take apart, and a linear layer) on
32x32 images, batch 64, Adam, on one thread of the CPU. What is measured is the CPU time of the training process, which
other work on the machine changes little. In PyTorch the same steps are done plainly and with each tool, in turns, round
by round; a tool's cost is the median over rounds of what its steps take beyond the plain ones of the same round. evenkeel
trains the same network with statistics and files, without them, and with an event file besides, in turns as well.
A tool whose steps take long does fewer of them: those of all rounds are to take
--seconds of CPU time (30), evenkeel's three times that, so that all of it takes some minutes of CPU time.
Tools that are not installed are left out and said to be. For all of them:
    pip install torch tensorboard wandb cockpit-for-pytorch ultralytics
Prints a table; figures with versions and machine go to bench/results/overhead.json, where rows of an earlier call stay
unless they are measured again, so that --only can do it part by part.
"""
import argparse
import contextlib
import csv
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BATCH, SIDE, CLASSES, IMAGES = 64, 32, 10, 2560

os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", YOLO_OFFLINE="true", YOLO_VERBOSE="false")

# ---- PyTorch: one step, and what is done beside it ----


def network(nn):
    widths = (3, 16, 32, 64)
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (SIDE // 8) ** 2, CLASSES))


class Plain:
    """Steps without anything beside them. The loss is read every step, as everybody does who shows it."""

    what = "nothing"
    interval = 1  # steps between two that do all of it

    def __init__(self, folder):
        import torch

        torch.manual_seed(1)
        torch.set_num_threads(1)
        self.torch, self.folder = torch, folder
        self.model = network(torch.nn)
        self.loss_function = torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.images = torch.randn(BATCH, 3, SIDE, SIDE)
        self.labels = torch.randint(CLASSES, (BATCH,))
        self.step = 0
        self.begin()

    def begin(self):
        pass

    def train(self):
        self.optimizer.zero_grad()
        loss = self.loss_function(self.model(self.images), self.labels)
        loss.backward()
        self.before_update()
        self.optimizer.step()
        self.after(loss.item())
        self.step += 1

    def before_update(self):
        pass

    def after(self, loss):
        pass

    def end(self):
        pass


class TensorBoard(Plain):
    what = "loss and rate by SummaryWriter, every step"
    package = "tensorboard"

    def begin(self):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(self.folder)

    def after(self, loss):
        self.writer.add_scalar("train/loss", loss, self.step)
        self.writer.add_scalar("lr", self.optimizer.param_groups[0]["lr"], self.step)

    def end(self):
        self.writer.close()


class TensorBoardNorms(TensorBoard):
    what = "the same with gradient norm, update norm, weight norm computed in PyTorch, every step"

    def norm(self, tensors):
        return self.torch.linalg.vector_norm(self.torch.stack(self.torch._foreach_norm(tensors))).item()

    def before_update(self):
        self.gradient = self.norm([p.grad for p in self.model.parameters()])
        self.before = [p.detach().clone() for p in self.model.parameters()]

    def after(self, loss):
        super().after(loss)
        now = [p.detach() for p in self.model.parameters()]
        weights = self.norm(now)
        update = self.norm(self.torch._foreach_sub(now, self.before))
        self.writer.add_scalar("grad_norm", self.gradient, self.step)
        self.writer.add_scalar("weight_norm", weights, self.step)
        self.writer.add_scalar("update_ratio", update / weights, self.step)


class Wandb(Plain):
    what = "loss and rate by log(), every step; offline"
    package = "wandb"

    def begin(self):
        import wandb

        self.wandb = wandb
        self.run = wandb.init(project="overhead", dir=self.folder, mode="offline")

    def after(self, loss):
        self.run.log({"train/loss": loss, "lr": self.optimizer.param_groups[0]["lr"]}, step=self.step)

    def end(self):
        self.run.finish()


class WandbWatch(Wandb):
    what = "the same, with watch(): histograms of gradients every 100 steps"

    def begin(self):
        super().begin()
        self.run.watch(self.model, log="gradients", log_freq=100)


class Cockpit(Plain):
    package = "cockpit-for-pytorch"
    label = "economy"
    what = "its `economy` quantities, every step"

    def begin(self):
        import backpack
        import cockpit
        from cockpit.utils import configuration, schedules

        self.extend = backpack.extend
        self.model, self.loss_function = backpack.extend(self.model), backpack.extend(self.loss_function)
        self.each = backpack.extend(self.torch.nn.CrossEntropyLoss(reduction="none"))
        schedule = schedules.linear(interval=self.interval)
        self.cockpit = cockpit.Cockpit(
            self.model.parameters(), quantities=configuration.configuration(self.label, track_schedule=schedule)
        )

    def train(self):
        self.optimizer.zero_grad()
        outputs = self.model(self.images)
        loss = self.loss_function(outputs, self.labels)
        each = self.each(outputs, self.labels)
        with self.cockpit(
            self.step,
            info={
                "batch_size": BATCH,
                "individual_losses": each,
                "loss": loss,
                "optimizer": self.optimizer,
            },
        ):
            loss.backward(create_graph=self.cockpit.create_graph(self.step))
        self.optimizer.step()
        loss.item()
        self.step += 1


class CockpitNow(Cockpit):
    interval = 10
    what = "the same, every 10th step"


class CockpitFull(Cockpit):
    label = "full"
    what = "its `full` quantities (curvature too), every step"


TOOLS = {
    "tensorboard": TensorBoard,
    "tensorboard, norms": TensorBoardNorms,
    "wandb": Wandb,
    "wandb, watch": WandbWatch,
    "cockpit": Cockpit,
    "cockpit, every 10th": CockpitNow,
    "cockpit, full": CockpitFull,
}


def milliseconds(tool, steps):
    began = time.process_time()
    for _ in range(steps):
        tool.train()
    return 1e3 * (time.process_time() - began) / steps


def quiet():
    """Tools greet; only the table is wanted."""
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
    stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
    return stack


def compare_pytorch(name, plain, rounds, steps, seconds, folder):
    """The tool's steps and plain ones take turns."""
    with quiet():
        tool = TOOLS[name](tempfile.mkdtemp(dir=folder))
        milliseconds(tool, 2)
        steps = max(1, min(steps, int(1e3 * seconds / (rounds * milliseconds(tool, tool.interval)))))
        steps = -(-steps // tool.interval) * tool.interval  # what is done every so many steps is in each round alike
    pairs = [(milliseconds(plain, steps), milliseconds(tool, steps)) for _ in range(rounds)]
    with quiet():
        tool.end()
    without = statistics.median(a for a, _ in pairs)
    more = statistics.median(b - a for a, b in pairs)
    return {"name": name, "what": tool.what, "without_ms": without, "more_ms": more, "steps": steps}


# ---- ultralytics: whole trainings, as its trainer takes no steps by itself ----


class UltralyticsPlain(Plain):
    """Plain steps of ultralytics' own network."""

    def begin(self):
        from ultralytics.nn.tasks import ClassificationModel

        with quiet():
            self.model = ClassificationModel("yolo11n-cls.yaml", nc=CLASSES)
        self.model.train()
        self.optimizer = self.torch.optim.AdamW(self.model.parameters(), lr=1e-3)


def ultralytics_seconds(tiles, folder, epochs, plots):
    """CPU time of a training. Without validation, which plain steps have not either."""
    from ultralytics import YOLO

    with quiet():
        began = time.process_time()
        YOLO("yolo11n-cls.yaml").train(
            data=str(tiles), epochs=epochs, imgsz=SIDE, batch=BATCH, device="cpu", workers=0, plots=plots, val=False,
            project=tempfile.mkdtemp(dir=folder), amp=False, verbose=False, optimizer="AdamW", lr0=1e-3,
        )  # fmt: skip
        return time.process_time() - began


def compare_ultralytics(tiles, rounds, steps, folder):
    """A step is that of the epochs beyond the first, which holds the decoding and augmentation of its images too;
    pictures are what a training with plots takes beyond one without."""
    plain = UltralyticsPlain(folder)
    milliseconds(plain, 2)
    without, more, pictures = [], [], []
    for _ in range(rounds):
        base = milliseconds(plain, steps)
        short, long = (ultralytics_seconds(tiles, folder, epochs, False) for epochs in (1, 3))
        without.append(base)
        more.append(1e3 * (long - short) / (2 * IMAGES / BATCH) - base)
        pictures.append(1e3 * (ultralytics_seconds(tiles, folder, 1, True) - short))
    return [
        {"name": "ultralytics", "what": "its trainer beside plain steps of yolo11n-cls, images read and cropped too",
         "without_ms": statistics.median(without), "more_ms": statistics.median(more)},
        {"name": "ultralytics, plots", "what": "results.png, confusion matrix and sample pictures, once a training",
         "run_s": statistics.median(pictures) / 1e3},
    ]  # fmt: skip


# ---- evenkeel ----

LAYERS = "".join(f'[[layer]]\ntype = "conv"\nfilters = {n}\nrelu = true\n[[layer]]\ntype = "max_pool"\nkernel = 2\n'
                 for n in (16, 32, 64)) + '[[layer]]\ntype = "linear"\n'  # fmt: skip
VARIANTS = {
    "evenkeel, without": ("without statistics", ["stats.enabled=false"]),
    "evenkeel": ("all statistics and files, as it is", []),
    "evenkeel, event file": ("all of that and TensorBoard's event file", ["stats.tensorboard=true"]),
}


def cpu_seconds(program, config, words, folder, epochs):
    """Of a whole training."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([program, "--quiet", "train", config, f"train.epochs={epochs}", f"run.dir={folder}", *words],
                         check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(run)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare_evenkeel(program, tiles, rounds, epochs, seconds, folder):
    """A step's time is that of the epochs beyond the first, so that beginning and ending are left out. As many rounds as
    the budget has, three at least."""
    config = os.path.join(folder, "overhead.ini")
    with open(config, "w", encoding="utf-8") as file:
        file.write(f'[data]\ntrain = "{tiles}/train"\nval_fraction = 0.01\n[model]\nname = "custom"\n'
                   f'[optim]\nname = "adam"\n[train]\nbatch_size = {BATCH}\nthreads = 1\nprecision = "fp32"\n{LAYERS}')  # fmt: skip
    steps = (epochs - 1) * (IMAGES * 99 // 100 // BATCH)
    times = {name: [] for name in VARIANTS}
    spent, done = 0.0, 0
    while done < min(3, rounds) or (done < rounds and spent < seconds):
        for name, (_, words) in VARIANTS.items():
            long, short = (cpu_seconds(program, config, words, folder, n) for n in (epochs, 1))
            times[name].append(1e3 * (long - short) / steps)
            spent += long + short
        done += 1
        print(f"evenkeel: round {done}, {spent:.0f} s of CPU time", file=sys.stderr, flush=True)
    without = statistics.median(times["evenkeel, without"])
    rows = []
    for name, values in times.items():
        if name != "evenkeel, without":
            more = statistics.median(a - b for a, b in zip(values, times["evenkeel, without"]))
            rows.append({"name": name, "what": VARIANTS[name][0], "without_ms": without, "more_ms": more,
                         "rounds": done})  # fmt: skip
    return rows


# ---- all of it ----


def versions():
    found = {}
    for name in ("torch", "tensorboard", "wandb", "cockpit-for-pytorch", "backpack-for-pytorch", "ultralytics"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def report(row):
    if "run_s" in row:
        figures = f"{row['run_s']:.2f} s | |"
    elif "reason" in row:
        figures = f"not measured: {row['reason']} | |"
    else:
        figures = f"{row['without_ms']:.2f} ms | {row['more_ms']:+.3f} ms, {100 * row['more_ms'] / row['without_ms']:+.1f} % |"
    print(f"| {row['name']} | {row['what']} | {figures}", flush=True)


def commit():
    """Of the tree, with a mark where it has been changed since; None outside of one."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude", "*"],
                              check=True, capture_output=True, text=True).stdout.strip()  # fmt: skip
    return None


def keep(path, rows, options):
    """Rows of this call take the place of those of the same name; so do versions."""
    stamp = {"date": time.strftime("%Y-%m-%d"), "commit": commit(), "machine": cpu_name(), "cpus": os.cpu_count(),
             "rounds": options.rounds, "steps": options.steps, "epochs": options.epochs}  # fmt: skip
    rows = [stamp | row for row in rows]
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": [], "versions": {}}
    names = {row["name"] for row in rows}
    there = {key: before[key] for key in ("machine", "cpus") if key in before}  # of all rows, in older files
    rows = [there | row for row in before["rows"] if row["name"] not in names] + rows
    report = {"python": platform.python_version(), "versions": before["versions"] | versions()}
    path.write_text(json.dumps(report | {"rows": rows}, indent=1) + "\n", encoding="utf-8")


def cpu_name():
    with contextlib.suppress(OSError, StopIteration):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return platform.machine()


def measure(names, options, folder):
    """A row after the other, so that what was measured is seen even if the rest is not waited for."""
    program = os.path.join(os.environ.get("BUILD", ROOT / "build"), "evenkeel")
    tiles = os.path.join(folder, "tiles")
    subprocess.run([program, "--quiet", "synth", tiles, "--size", str(SIDE), "--per-class", str(IMAGES // CLASSES)],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    plain = Plain(folder) if any(name in TOOLS for name in names) else None
    for name in names:
        try:
            if name == "evenkeel":
                yield from compare_evenkeel(program, tiles, options.rounds, options.epochs, 3 * options.seconds, folder)
            elif name == "ultralytics":
                yield from compare_ultralytics(tiles, max(1, options.rounds // 3), options.steps, folder)
            else:
                yield compare_pytorch(name, plain, options.rounds, options.steps, options.seconds, folder)
        except Exception as error:  # whatever keeps a tool from working here is its result
            yield {"name": name, "what": "", "reason": f"{type(error).__name__}: {error}".splitlines()[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="of PyTorch, a round")
    parser.add_argument("--epochs", type=int, default=12, help="of evenkeel, a round")
    parser.add_argument("--seconds", type=float, default=30, help="of CPU time that a tool's steps in PyTorch may take")
    parser.add_argument("--only", nargs="+", choices=["evenkeel", *TOOLS, "ultralytics"])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder below goes
    rows = []
    print("| tool | what it does | a step without | more with it |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="evenkeel-overhead-") as folder:
        for row in measure(options.only or ["evenkeel", *TOOLS, "ultralytics"], options, folder):
            report(row)
            rows.append(row)
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    keep(results / "overhead.json", rows, options)


if __name__ == "__main__":
    main()
