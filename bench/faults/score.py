"""What the doctor says of the planted-fault benchmark's runs, against the truth. Standard library only.

  score.py FOLDER [--part tune|test|blind|fresh|last|sealed|second|third|fourth|fifth] [--budget SHARE] [--every N] [--only WORD] [--repair]
           [--jobs N] [--seconds N] [--json FILE [--name NAME]]

Asks `evenkeel doctor` about the runs of runs.py that are there (with --budget also by experiment; every N-th of each class), and the rules
of published tools. Only faults that did harm count: validation accuracy 2 points lower or training loss 15 % higher than the
healthy runs of the same network, data and optimizer at the best rate; validation images that are training images always do. A run that
was planned as healthy and did such harm by its settings (a batch of 512, augmentation, a third of the rate) is no healthy one: it counts
nowhere, and what was said of it is shown apart. --repair trains each harmful run again as `--apply` writes it. Where validation has the wrong
labels or odd images as well, no repair can bring it to the healthy run's accuracy: then the same images without the fault are asked too, of
the faulty and the repaired run's best weights (the healthy run's, its own images), and what has lost nothing by that is left out; both counts are given. --seconds: runs
not begun by then are left out; which come first is drawn by lot. Writes
FOLDER/PART-confusion.csv and .svg and, as JSON, all figures.
"""
import argparse
import collections
import concurrent.futures
import csv
import json
import math
import os
import random
import statistics
import subprocess
import time

import picture
import plant
import runs
import tools
from runs import MARK, PARTS, PROGRAM

SILENT = ("healthy", "too_early")  # nothing was found
IN_VALIDATION = ("labels", "outliers")  # what spoils the measure where a fault is in all images


def doctor(path, *options):
    done = subprocess.run([PROGRAM, "doctor", path, "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not done.stdout.strip():
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def ask(path, budget):
    """The doctor's answer; without a budget by its rules alone, whatever was found by experiment before. What this program has
    answered to the same question is kept in the run."""
    kept, built = os.path.join(path, "answer.json"), f"{os.path.getmtime(PROGRAM)} {budget}"
    if os.path.exists(kept) and (not budget or os.path.exists(os.path.join(path, "trials.json"))):
        with open(kept) as file:
            answer = json.load(file)
        if answer["built"] == built:
            return answer
    if os.path.exists(os.path.join(path, "trials.json")):
        os.remove(os.path.join(path, "trials.json"))
    answer = {"built": built, **doctor(path, *(["--budget", budget] if budget else []))}
    with open(kept, "w") as file:
        json.dump(answer, file)
    return answer


def floor_of(settings, classes):
    """The training loss of one who knows every label: the entropy of targets that are smoothed by e, and mixed by Beta(a, a)."""
    given = dict(setting.split("=", 1) for setting in settings)
    e, a = float(given.get("train.label_smoothing", 0)), float(given.get("augment.mixup", 0))

    def entropy(*shares):
        targets = [(1 - e) * share + e / classes for share in shares] + [e / classes] * (classes - len(shares))
        return -sum(p * math.log(p) for p in targets if p > 0)

    if not a:
        return max(entropy(1), 0.0)
    points = [(i + 0.5) / 1000 for i in range(1000)]
    weights = [(x * (1 - x)) ** (a - 1) for x in points]
    mixed = sum(w * entropy(x, 1 - x) for w, x in zip(weights, points)) / sum(weights)
    return entropy(1) / classes + mixed * (1 - 1 / classes)


def rows_of(folder, part):
    """The runs that are there, with their truth; not those of a network that learns its data at no rate."""
    found = []
    for network, source, optimizer, seeds in runs.groups(folder, part):
        group = f"{network}-{source.name}-{optimizer}"
        case = runs.Case(part, network, source, optimizer, 1.0)
        rows = []
        for seed in seeds:
            for truth, name, settings in runs.plan(case, seed, False):
                mark = os.path.join(folder, "runs", f"{part}-{group}-{name}", MARK)
                if os.path.exists(mark):
                    with open(mark) as file:
                        rows.append({"truth": truth, "group": group, "floor": floor_of(settings, source.classes), **json.load(file)})
                    if source.whole and truth in IN_VALIDATION:
                        rows[-1]["clean"] = dict(key.split("=") for key in source.keys())["data.train"]
        if rows and runs.best_rate(folder, case) is not None:
            found += rows
    return found


def harmful(row, healthy):
    """Whether a run is worse off than the mean of the healthy runs of its group; of a training loss what no network gets below is left
    out. Leakage makes the measure false, not the run."""
    accuracy = statistics.mean(one["val_accuracy"] for one in healthy)
    loss = statistics.mean(one["train_loss"] for one in healthy)
    return row["truth"] == "leakage" or not row["val_accuracy"] >= accuracy - 0.02 or not row["train_loss"] - row["floor"] <= 1.15 * loss


def log_of(path):
    """What the tools' rules look at."""
    with open(os.path.join(path, "steps.csv"), newline="") as file:
        steps = list(csv.DictReader(file))
    with open(os.path.join(path, "results.csv"), newline="") as file:
        epochs = list(csv.DictReader(file))
    with open(os.path.join(path, "log.jsonl")) as file:
        classes = next(event["class_images"] for event in map(json.loads, file) if event["event"] == "data")
    names = {"train_loss": "train/loss", "val_loss": "val/loss", "train_accuracy": "train/accuracy",
             "val_accuracy": "metrics/accuracy_top1"}
    return {"steps": steps, "classes": classes, **{key: tools.column(epochs, name) for key, name in names.items()}}


def right(path, *options):
    """Share of the images that a run's best weights call what they are."""
    done = subprocess.run([PROGRAM, "eval", path, "--weights", "best", "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return json.loads(done.stdout)["top1"]


def without_fault(folder, row):
    """The validation images of a run as a data set of their own, as they were before the fault was planted."""
    path = os.path.join(folder, "data", "unspoiled-" + row["name"])
    if not os.path.exists(os.path.join(path, "done")):
        with open(os.path.join(folder, "runs", row["name"], "predictions.csv"), newline="") as file:
            samples = [int(line["sample"]) for line in csv.DictReader(file)]
        shape, images, labels = plant.read_part(row["clean"], plant.TRAIN)
        plant.write_part(path, plant.TRAIN, shape, [images[i] for i in samples], [labels[i] for i in samples])
        open(os.path.join(path, "done"), "w").close()
    return path


def share_of(lost, gained):
    """Of what was lost; None: that is less than two points."""
    return gained / lost if lost >= 0.02 else None


def repair(folder, row, healthy):
    """Shares of the lost accuracy that the patch brings back, by the run's own validation and without the fault; 0: there is no patch; None:
    nothing was lost, or what is lost is not known, where validation images are training images. The doctor takes up the experiments that
    ask() had made."""
    path = os.path.join(folder, "runs", row["name"])
    patch = os.path.join(path, "patch.ini")
    lost = statistics.mean(one["val_accuracy"] for one in healthy) - row["val_accuracy"]
    if row["truth"] == "leakage" or not lost >= 0.02:
        return None, None
    mended, mark = os.path.join(folder, "runs", "repaired-" + row["name"]), "repaired.json"
    before = well = None
    if "clean" in row:
        before = right(path, "--data", without_fault(folder, row))
        well = statistics.mean(right(os.path.join(folder, "runs", one["name"])) for one in healthy)
    if os.path.exists(patch):
        os.remove(patch)
    doctor(path, "--apply", patch)
    if not os.path.exists(patch):
        return 0.0, share_of(well - before, 0.0) if "clean" in row else 0.0
    with open(patch) as file:
        text = file.read()
    done = {}
    if os.path.exists(os.path.join(path, mark)):
        with open(os.path.join(path, mark)) as file:
            done = json.load(file)
    if done.get("patch") != text or ("clean" in row and "clean" not in done):
        subprocess.run([PROGRAM, "train", patch, f"run.dir={folder}/runs", f"run.name={os.path.basename(mended)}"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done = {"patch": text, "after": runs.outcome(mended)["val_accuracy"]}
        if "clean" in row:
            done["clean"] = right(mended, "--data", without_fault(folder, row))
        subprocess.run(["rm", "-rf", mended], check=True)
        with open(os.path.join(path, mark), "w") as file:
            json.dump(done, file)
    share = (done["after"] - row["val_accuracy"]) / lost
    return share, share_of(well - before, done["clean"] - before) if "clean" in row else share


def chosen(rows, every):
    """Every N-th of each class."""
    seen = collections.Counter()
    for row in rows:
        seen[row["truth"]] += 1
        if (seen[row["truth"]] - 1) % every == 0:
            yield row


class Score:
    """Figures over the rows asked about so far."""

    def __init__(self):
        self.confusion, self.alarms, self.totals = collections.Counter(), collections.Counter(), collections.Counter()
        self.steps, self.wrong, self.repaired, self.unspoiled = [], [], {}, {}
        self.overturned, self.cost, self.seconds = [0, 0], [], []
        self.groups = collections.defaultdict(collections.Counter)

    def take(self, row, said, log, share, unspoiled):
        faulty = row["truth"] != "healthy"
        self.confusion[row["truth"], said["cause"]] += 1
        self.totals[faulty] += 1
        if share is not None:
            self.repaired[row["name"]] = share
        if unspoiled is not None:
            self.unspoiled[row["name"]] = unspoiled
        found = said["cause"] not in SILENT
        count = {"faulty": faulty, "noticed": faulty and found, "named": faulty and said["cause"] == row["truth"],
                 "healthy": not faulty, "false_alarms": found and not faulty}
        self.groups[row["group"]].update({key: int(value) for key, value in count.items()})
        for name, rule in tools.TOOLS.items():
            self.alarms[name, faulty] += rule(log)
        if said["cause"] != row["truth"]:
            self.wrong.append(f"{row['name']}: {said['cause']}")
        elif faulty and said["found"]:
            self.steps.append(said["found"][0]["step"])
        if said["cause"] != said["first_guess"]:
            self.overturned[said["cause"] == row["truth"]] += 1
        if said.get("experiment"):
            self.cost.append(said["experiment"]["spent"] / said["steps"])
            self.seconds.append(said["experiment"]["seconds"])


def judge(folder, rows, healthy_of, args):
    """Figures of the rows, and who was wrong; rows that there was no time for are left out."""
    end = time.monotonic() + args.seconds

    def examined(row):
        if time.monotonic() >= end:
            return None
        path, shares = os.path.join(folder, "runs", row["name"]), (None, None)
        said = ask(path, args.budget)
        if args.repair and row["truth"] != "healthy":
            shares = repair(folder, row, healthy_of[row["group"]])
        return said, log_of(path), *shares

    score, rows = Score(), list(chosen(rows, args.every))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        waiting = {row["name"]: pool.submit(examined, row) for row in random.Random(1).sample(rows, len(rows))}
        for row in rows:
            answer = waiting[row["name"]].result()
            if answer:
                score.take(row, *answer)
    return score


def write_confusion(path, confusion):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["truth", "said", "runs"])
        out.writerows((truth, said, count) for (truth, said), count in sorted(confusion.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--part", choices=PARTS, default="test")
    parser.add_argument("--budget", default="")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="", help="runs whose name has this in it")
    parser.add_argument("--repair", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--json", default="")
    parser.add_argument("--name", default="", help="of the figures in FILE, where part and kind are not to be it")
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    rows, healthy_of = rows_of(folder, args.part), collections.defaultdict(list)
    for row in rows:
        if f"-{runs.MEASURE}-" in row["name"]:
            healthy_of[row["group"]].append(row)
    wanted = [row for row in rows if args.only in row["name"]]
    wanted = [row for row in wanted if healthy_of[row["group"]]]
    worse = [harmful(row, healthy_of[row["group"]]) for row in wanted]
    kept = [row for row, harm in zip(wanted, worse) if harm == (row["truth"] != "healthy")]
    spoiled = [row for row, harm in zip(wanted, worse) if harm and row["truth"] == "healthy"]
    score = judge(folder, kept, healthy_of, args)
    write_confusion(os.path.join(folder, args.part + "-confusion.csv"), score.confusion)
    with open(os.path.join(folder, args.part + "-confusion.svg"), "w") as file:
        file.write(picture.draw((truth, said, n) for (truth, said), n in score.confusion.items()))
    figures = figures_of(score, args, len(wanted) - len(kept) - len(spoiled))
    if not args.budget:
        figures["spoiled"] = spoiled_of(judge(folder, spoiled, healthy_of, args))
    show(figures)
    if args.json:
        merge(args.json, args.name or f"{args.part}, {'experiments' if args.budget else 'rules'}", figures)


def wilson(part, whole):
    """95 % interval of a share."""
    if not whole:
        return [0.0, 1.0]
    z = 1.96
    middle, spread = part / whole + z * z / (2 * whole), z * math.sqrt(part * (whole - part) / whole ** 3 + z * z / (4 * whole * whole))
    return [abs(round((middle + sign * spread) / (1 + z * z / whole), 3)) for sign in (-1, 1)]


def spoiled_of(score):
    """What was said of runs that were planned as healthy and are worse off by their settings."""
    return {"runs": score.totals[False], "found": sum(one["false_alarms"] for one in score.groups.values()), "said": score.wrong}


def figures_of(score, args, harmless):
    named = sum(n for (truth, said), n in score.confusion.items() if truth == said != "healthy")
    seen = sum(n for (truth, said), n in score.confusion.items() if truth != "healthy" and said not in SILENT)
    false = sum(n for (truth, said), n in score.confusion.items() if truth == "healthy" and said not in SILENT)
    figures = {"budget": args.budget, "every": args.every, "groups": score.groups, "faulty": score.totals[True], "noticed": seen,
               "named": named, "healthy": score.totals[False], "false_alarms": false, "harmless": harmless,
               "named_interval": wilson(named, score.totals[True]), "false_alarms_interval": wilson(false, score.totals[False]),
               "median_step": statistics.median(score.steps) if score.steps else None,
               "confusion": [[truth, said, n] for (truth, said), n in sorted(score.confusion.items())], "wrong": score.wrong,
               "tools": {name: {"faulty": score.alarms[name, True], "healthy": score.alarms[name, False]} for name in tools.TOOLS}}
    if score.cost:
        figures["experiments"] = {"share_of_updates": round(statistics.mean(score.cost), 3),
                                  "seconds": round(statistics.mean(score.seconds), 2),
                                  "overturned_rightly": score.overturned[True], "overturned_wrongly": score.overturned[False]}
    for name, shares in (("repaired", score.repaired), ("repaired_without_fault", score.unspoiled)):
        if shares:
            figures[name] = {"runs": len(shares), "by_80_percent": sum(share >= 0.8 for share in shares.values()),
                             "mean_share": round(statistics.mean(min(max(share, -1), 1) for share in shares.values()), 3),
                             "less": {run: round(share, 2) for run, share in shares.items() if share < 0.8}}
    return figures


def show(figures):
    print("\n".join(figures["wrong"]))
    for group, one in figures["groups"].items():
        print(f"{group}: {one['named']} of {one['faulty']} named, {one['noticed']} noticed; {one['false_alarms']} of {one['healthy']} healthy runs not")
    causes = collections.defaultdict(collections.Counter)
    for truth, said, n in figures["confusion"]:
        causes[truth].update({"runs": n, "named": n * (truth == said)})
    print(*(f"{truth} {one['named']}/{one['runs']}" for truth, one in causes.items() if truth != "healthy"), sep=", ")
    print(f"harmful faults {figures['faulty']}: {figures['noticed']} noticed, {figures['named']} named "
          f"(95 % interval {figures['named_interval']}); {figures['harmless']} runs did no harm and are left out")
    print(f"healthy runs {figures['healthy']}: {figures['false_alarms']} false alarms (95 % interval {figures['false_alarms_interval']}); "
          f"first shown at step {figures['median_step']} (median of those named)")
    if "spoiled" in figures:
        print("planned as healthy and worse off by their settings {runs}, of which something was found in {found}".format(**figures["spoiled"]))
    for name, one in figures["tools"].items():
        print(f"{name}: alarm on {one['faulty']} of the faulty, {one['healthy']} of the healthy")
    if "experiments" in figures:
        print("experiments: {share_of_updates} of the run's updates, {seconds} s on average; first guess overturned rightly "
              "{overturned_rightly} times, wrongly {overturned_wrongly}".format(**figures["experiments"]))
    for name, words in (("repaired", "repaired"), ("repaired_without_fault", "where validation has the fault, by its images without it")):
        if name in figures:
            print(words + ": 80 % of the lost accuracy came back in {by_80_percent} of {runs}, {mean_share} on average; less: {less}".format(**figures[name]))


def merge(path, key, figures):
    """Rules and experiments of a part stand in one file."""
    known = {}
    if os.path.exists(path):
        with open(path) as file:
            known = json.load(file)
    known[key] = figures
    with open(path, "w") as file:
        json.dump(known, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
