"""How well `evenkeel doctor RUN --samples` finds wrong labels: symmetric noise planted into Fashion-MNIST, precision and recall of the list.

  labels.py FOLDER [--noise 0 0.1 0.2 0.4] [--seeds 1 2] [--json FILE [--name NAME]]

12,000 images, two networks (two linear layers of 96; small_cnn of width 8), Adam at 0.001, batch 64, cosine over 12 epochs, one
thread. FOLDER keeps data and runs; what is there is not made again. Needs EVENKEEL_DATA. Standard library only.
"""
import argparse
import csv
import os
import subprocess

import plant
import runs
import score
import sources

NETWORKS = ["mlp", "cnn"]
SETTINGS = ["optim.name=adam", "optim.lr=0.001", "train.batch_size=64", "train.epochs=12", "schedule.name=cosine"]


def planted(source, noise):
    """(overrides, indices of wrong labels) of a data set with this noise."""
    clean, noisy = (source.keys(), source.keys("labels", noise) if noise else source.keys())
    labels = [plant.read_part(keys[0].split("=")[1], plant.TRAIN)[2] for keys in (clean, noisy)]
    return [noisy[0], clean[1]], {i for i, (a, b) in enumerate(zip(*labels)) if a != b}


def listed(path):
    """Indices that the doctor calls wrongly labelled."""
    done = subprocess.run([runs.PROGRAM, "doctor", path, "--samples"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    with open(os.path.join(path, "suspects.csv"), newline="") as file:
        return {int(row["sample"]) for row in csv.DictReader(file) if row["kind"] == "label"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--noise", type=float, nargs="*", default=[0, 0.1, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--json", default="")
    parser.add_argument("--name", default="labels")
    args = parser.parse_args()
    folder, figures = os.path.abspath(args.folder), []
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    for network in NETWORKS:
        for noise in args.noise:
            for seed in args.seeds:
                keys, wrong = planted(sources.Fashion(folder, seed, runs.PROGRAM), noise)
                name = f"labels-{network}-{noise:g}-s{seed}"
                row = runs.train(folder, name, network, SETTINGS + keys + [f"train.seed={seed}"])
                found = listed(os.path.join(folder, "runs", row["name"]))
                right = len(found & wrong)
                figures.append({"network": network, "noise": noise, "seed": seed, "wrong": len(wrong), "listed": len(found),
                                "precision": round(right / len(found), 3) if found else None,
                                "recall": round(right / len(wrong), 3) if wrong else None})
                print(*(f"{key} {value}" for key, value in figures[-1].items()), sep=", ", flush=True)
    if args.json:
        score.merge(args.json, args.name, figures)


if __name__ == "__main__":
    main()
