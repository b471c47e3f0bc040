"""What the doctor says of the planted-fault benchmark's runs, against the truth. Standard library only.

  score.py FOLDER [--part tune|test] [--budget SHARE] [--only WORD]

Reads FOLDER/PART.json, which runs.py wrote; asks `evenkeel doctor` about every run (with --budget also by experiment); writes
FOLDER/PART-confusion.csv and prints the figures. Only faults that did harm count: validation accuracy 2 points or training
loss 15 % worse than the healthy runs of the same network, data and optimizer at the best rate.
"""
import argparse
import collections
import csv
import json
import os
import statistics
import subprocess

from runs import PARTS, PROGRAM


def ask(path, budget):
    command = [PROGRAM, "doctor", path, "--json"] + (["--budget", budget] if budget else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def harmful(row, healthy):
    """Whether the fault did harm, against the mean of the healthy runs of its group."""
    accuracy = statistics.mean(one["val_accuracy"] for one in healthy)
    loss = statistics.mean(one["train_loss"] for one in healthy)
    return not row["val_accuracy"] >= accuracy - 0.02 or not row["train_loss"] <= 1.15 * loss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--part", choices=PARTS, default="tune")
    parser.add_argument("--budget", default="")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    with open(os.path.join(args.folder, args.part + ".json")) as file:
        rows = [row for row in json.load(file) if "error" not in row and args.only in row["name"]]
    best = collections.defaultdict(list)
    for row in rows:
        if "-healthyx1-0-" in row["name"]:
            best[row["group"]].append(row)
    confusion, wrong, steps, harmless = collections.Counter(), [], [], 0
    for row in rows:
        if row["truth"] != "healthy" and not (best[row["group"]] and harmful(row, best[row["group"]])):
            harmless += 1
            continue
        said = ask(os.path.join(args.folder, "runs", row["name"]), args.budget)
        confusion[row["truth"], said["cause"]] += 1
        if said["cause"] == row["truth"] and said["found"]:
            steps.append(said["found"][0]["step"])
        if said["cause"] != row["truth"]:
            wrong.append(f"{row['name']}: {said['cause']}")
    with open(os.path.join(args.folder, args.part + "-confusion.csv"), "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["truth", "said", "runs"])
        out.writerows((truth, said, count) for (truth, said), count in sorted(confusion.items()))
    faulty = sum(n for (truth, _), n in confusion.items() if truth != "healthy")
    right = sum(n for (truth, said), n in confusion.items() if truth != "healthy" and said == truth)
    seen = sum(n for (truth, said), n in confusion.items() if truth != "healthy" and said != "healthy")
    healthy = sum(n for (truth, _), n in confusion.items() if truth == "healthy")
    false = healthy - confusion["healthy", "healthy"]
    print("\n".join(wrong))
    print(f"harmful faults {faulty}: {seen} noticed, {right} named; {harmless} did no harm and are left out")
    print(f"healthy runs {healthy}: {false} false alarms")
    if steps:
        print(f"first shown at step {statistics.median(steps):g} (median of those named)")


if __name__ == "__main__":
    main()
