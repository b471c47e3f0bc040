"""How well `evenkeel doctor RUN --samples` finds wrong labels: symmetric noise planted into Fashion-MNIST, precision and recall of the list.

  labels.py FOLDER [--noise 0 0.1 0.2 0.4] [--seeds 1 2] [--networks mlp cnn] [--both] [--json FILE [--name NAME]]

--both: planted into 14,000 images, 2,000 of which are then set aside for validation; each part has a row.
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

SETTINGS = ["optim.name=adam", "optim.lr=0.001", "train.batch_size=64", "train.epochs=12", "schedule.name=cosine"]


def planted(source, noise):
    """(overrides, numbers of wrong labels) of a data set with this noise: in training alone, or in what validation is set aside from."""
    clean, noisy = (source.keys(), source.keys("labels", noise) if noise else source.keys())
    labels = [plant.read_part(keys[0].split("=")[1], plant.TRAIN)[2] for keys in (clean, noisy)]
    return noisy if source.whole else [noisy[0], clean[1]], {i for i, (a, b) in enumerate(zip(*labels)) if a != b}


def column(path, name, key):
    """The numbers of a CSV file's column; key: of the rows that it lets through."""
    with open(os.path.join(path, name), newline="") as file:
        return {int(row["sample"]) for row in csv.DictReader(file) if key(row)}


def listed(path):
    """Of each part the numbers of the images that the doctor calls wrongly labelled."""
    done = subprocess.run([runs.PROGRAM, "doctor", path, "--samples"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{path}: {done.stderr.strip()}")
    return {part: column(path, "suspects.csv", lambda row: row["kind"] == "label" and row["part"] == part) for part in ("train", "val")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--noise", type=float, nargs="*", default=[0, 0.1, 0.2, 0.4])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--networks", nargs="*", default=["mlp", "cnn"])
    parser.add_argument("--both", action="store_true")
    parser.add_argument("--json", default="")
    parser.add_argument("--name", default="labels")
    args = parser.parse_args()
    folder, figures = os.path.abspath(args.folder), []
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    for network in args.networks:
        for noise in args.noise:
            for seed in args.seeds:
                source = sources.Fashion(folder, seed, runs.PROGRAM)
                source.whole = args.both
                keys, wrong = planted(source, noise)
                name = f"labels-{network}-{noise:g}-s{seed}" + ("-whole" if args.both else "")
                row = runs.train(folder, name, network, SETTINGS + keys + [f"train.seed={seed}"])
                path = os.path.join(folder, "runs", row["name"])
                aside = column(path, "predictions.csv", lambda row: True) if args.both else set()
                for part, found in listed(path).items():
                    if part == "val" and not args.both:
                        continue
                    planted_here = wrong & aside if part == "val" else wrong - aside
                    right = len(found & planted_here)
                    figures.append({"network": network, "noise": noise, "seed": seed, "part": part, "wrong": len(planted_here), "listed": len(found),
                                    "precision": round(right / len(found), 3) if found else None,
                                    "recall": round(right / len(planted_here), 3) if planted_here else None})
                    print(*(f"{key} {value}" for key, value in figures[-1].items()), sep=", ", flush=True)
    if args.json:
        score.merge(args.json, args.name, figures)


if __name__ == "__main__":
    main()
