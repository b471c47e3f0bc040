"""What the doctor says of the planted-fault benchmark's runs, against the truth. Standard library only.

  score.py FOLDER [--part tune|test] [--budget SHARE] [--every N] [--repair] [--json FILE]

Asks `evenkeel doctor` about the runs of runs.py that are there (with --budget also by experiment; every N-th of each class), and the rules
of published tools. Only faults that did harm count: validation accuracy 2 points lower or training loss 15 % higher than the
healthy runs of the same network, data and optimizer at the best rate. --repair trains each harmful run again as `--apply` writes it. Writes
FOLDER/PART-confusion.csv and .svg and, as JSON, all figures.
"""
import argparse
import collections
import csv
import json
import os
import statistics
import subprocess

import picture
import runs
import tools
from runs import MARK, PARTS, PROGRAM


def ask(path, budget, apply=None):
    command = [PROGRAM, "doctor", path, "--json"] + (["--budget", budget] if budget else [])
    command += ["--apply", apply] if apply else []
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if not done.stdout.strip():
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def rows_of(folder, part):
    """The runs that are there, with their truth."""
    found = []
    for network, source, optimizer, seeds in runs.groups(folder, part):
        group = f"{network}-{source.name}-{optimizer}"
        case = runs.Case(part, network, source, optimizer, 1.0)
        for seed in seeds:
            for truth, name, _ in runs.plan(case, seed, False):
                mark = os.path.join(folder, "runs", f"{part}-{group}-{name}", MARK)
                if os.path.exists(mark):
                    with open(mark) as file:
                        found.append({"truth": truth, "group": group, **json.load(file)})
    return found


def harmful(row, healthy):
    """Whether the fault did harm, against the mean of the healthy runs of its group."""
    accuracy = statistics.mean(one["val_accuracy"] for one in healthy)
    loss = statistics.mean(one["train_loss"] for one in healthy)
    return not row["val_accuracy"] >= accuracy - 0.02 or not row["train_loss"] <= 1.15 * loss


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


def repair(folder, row, healthy, budget):
    """Share of the lost accuracy that the patch brings back; None: there is none, or nothing was lost."""
    path, patch = os.path.join(folder, "runs", row["name"]), os.path.join(folder, "patch.ini")
    if os.path.exists(patch):
        os.remove(patch)
    ask(path, budget, patch)
    lost = statistics.mean(one["val_accuracy"] for one in healthy) - row["val_accuracy"]
    if not os.path.exists(patch) or not lost >= 0.02:
        return None
    name = "repaired-" + row["name"]
    subprocess.run([PROGRAM, "train", patch, f"run.dir={folder}/runs", f"run.name={name}"], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    mended = os.path.join(folder, "runs", name)
    after = runs.outcome(mended)["val_accuracy"]
    subprocess.run(["rm", "-rf", mended], check=True)
    return (after - row["val_accuracy"]) / lost


def chosen(rows, every):
    """Every N-th of each class."""
    seen = collections.Counter()
    for row in rows:
        seen[row["truth"]] += 1
        if (seen[row["truth"]] - 1) % every == 0:
            yield row


def judge(folder, rows, healthy_of, args):
    """Figures of the rows, and who was wrong."""
    confusion, alarms, totals = collections.Counter(), collections.Counter(), collections.Counter()
    steps, wrong, shares = [], [], []
    for row in chosen(rows, args.every):
        path, faulty = os.path.join(folder, "runs", row["name"]), row["truth"] != "healthy"
        said = ask(path, args.budget)
        confusion[row["truth"], said["cause"]] += 1
        totals[faulty] += 1
        log = log_of(path)
        for name, rule in tools.TOOLS.items():
            alarms[name, faulty] += rule(log)
        if said["cause"] != row["truth"]:
            wrong.append(f"{row['name']}: {said['cause']}")
        elif faulty and said["found"]:
            steps.append(said["found"][0]["step"])
        if args.repair and faulty:
            shares.append(repair(folder, row, healthy_of[row["group"]], args.budget))
    return confusion, alarms, totals, steps, wrong, [share for share in shares if share is not None]


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
    parser.add_argument("--repair", action="store_true")
    parser.add_argument("--json", default="")
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    rows, healthy_of = rows_of(folder, args.part), collections.defaultdict(list)
    for row in rows:
        if "-healthy-x1-0-" in row["name"]:
            healthy_of[row["group"]].append(row)
    kept = [row for row in rows if healthy_of[row["group"]] and
            (row["truth"] == "healthy" or harmful(row, healthy_of[row["group"]]))]
    confusion, alarms, totals, steps, wrong, shares = judge(folder, kept, healthy_of, args)
    write_confusion(os.path.join(folder, args.part + "-confusion.csv"), confusion)
    with open(os.path.join(folder, args.part + "-confusion.svg"), "w") as file:
        file.write(picture.draw((truth, said, n) for (truth, said), n in confusion.items()))
    named = sum(n for (truth, said), n in confusion.items() if truth == said != "healthy")
    seen = sum(n for (truth, said), n in confusion.items() if truth != "healthy" != said)
    false = sum(n for (truth, said), n in confusion.items() if truth == "healthy" != said)
    figures = {"part": args.part, "budget": args.budget, "every": args.every, "runs": collections.Counter(row["group"] for row in kept),
               "faulty": totals[True], "noticed": seen, "named": named, "healthy": totals[False], "false_alarms": false,
               "harmless": len(rows) - len(kept), "median_step": statistics.median(steps) if steps else None,
               "confusion": [[truth, said, n] for (truth, said), n in sorted(confusion.items())], "wrong": wrong,
               "tools": {name: {"faulty": alarms[name, True], "healthy": alarms[name, False]} for name in tools.TOOLS}}
    if shares:
        figures["repaired"] = {"runs": len(shares), "of_80_percent": sum(share >= 0.8 for share in shares)}
    print("\n".join(wrong))
    print(f"harmful faults {totals[True]}: {seen} noticed, {named} named; {figures['harmless']} runs did no harm and are left out")
    print(f"healthy runs {totals[False]}: {false} false alarms; first shown at step {figures['median_step']} (median of those named)")
    for name, one in figures["tools"].items():
        print(f"{name}: alarm on {one['faulty']} of the faulty, {one['healthy']} of the healthy")
    if shares:
        print(f"repaired: 80 % of the loss in accuracy came back in {figures['repaired']['of_80_percent']} of {len(shares)}")
    if args.json:
        with open(args.json, "w") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
