#!/usr/bin/env python3
"""Runs bench/torch_step.py for each of its variants in a process of its own, and sets its rows beside bench_train's.

Of --seconds each variant has the share that is left for it, eager ones first: what they do not need is left for the
compiled ones. One that takes longer is ended by itself, with all that it started; that it was left out, and why, is said
and on record. What it had measured by then stays.

With BENCH_JSON=FILE rows are added there. --compare measures nothing: it prints ratios of the best rows of bench_train
to the best of PyTorch, by files of rows or the results of `make gpu-check`: ours with all algorithms, which is what
PyTorch has, and deterministic. Needs no PyTorch itself.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time

LEAST_SECONDS = 2
STEP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_step.py")


def run_apart(command, seconds):
    """Why the variant has not been measured to its end, or None."""
    child = subprocess.Popen(command, start_new_session=True)
    try:
        code = child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        code = None
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    if code is None:
        return f"not done in its share of the time, {seconds:.0f} s"
    return f"it ended with {code}" if code else None


def bench(args, passed_on):
    """Whether anything was measured."""
    deadline = time.monotonic() + args.seconds
    variants = [(net, dtype, mode) for mode in args.modes for net in args.nets for dtype in args.dtypes]
    done = begun = 0
    for at, (net, dtype, mode) in enumerate(variants):
        share = (deadline - time.monotonic()) / (len(variants) - at)
        command = [sys.executable, args.step, "--device", args.device, "--nets", net, "--dtypes", dtype, "--modes", mode,
                   *passed_on, *(["--quiet"] if begun else [])]
        begun += share >= LEAST_SECONDS
        reason = (run_apart(command, share) if share >= LEAST_SECONDS else
                  f"its share of the time, {max(share, 0):.0f} s, is too short")
        done += not reason
        if reason:
            print(f"# {net} {dtype} {mode}: left out: {reason}", flush=True)
            write([{"name": "left out", "program": "pytorch " + mode, "net": net, "dtype": dtype, "reason": reason}])
    return done > 0


def write(rows):
    if os.environ.get("BENCH_JSON"):
        with open(os.environ["BENCH_JSON"], "a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def read(path):
    """Rows of a part's results, or one to a line; none where there is no file."""
    try:
        text = open(path).read()
    except OSError:
        print(f"# nothing to compare with: {path} is not there")
        return []
    return json.loads(text)["results"] if text.startswith('{"part"') else [json.loads(line) for line in text.splitlines()]


def compare(paths):
    """Ratios of evenkeel's best to PyTorch's best, per network, data and batch, by the rows in these files."""
    table = [row for path in paths for row in read(path) if row.get("name") == "step"]
    nets = list(dict.fromkeys(row["net"] for row in table))
    kinds = [(net, data, kind, fixed) for net in nets for data in ("batch", "resident") for kind in ("fp32", "best")
             for fixed in (False, True)]
    ratios = []
    for net, data, kind, fixed in kinds:
        def best(program):
            fits = [r for r in table if r["program"].startswith(program) and r["net"] == net and r["data"] == data
                    and (kind == "best" or r["dtype"] == kind) and r.get("deterministic", fixed) == fixed]
            return max(fits, key=lambda r: r["images_per_second"], default=None)
        mine, theirs = best("evenkeel"), best("pytorch")
        if not mine or not theirs or mine["batch"] != theirs["batch"]:
            continue
        ratio = mine["images_per_second"] / theirs["images_per_second"]
        ratios.append({"name": "ratio", "net": net, "data": data, "precision": kind, "deterministic": fixed,
                       "ratio": round(ratio, 3)})
        print(f"{net:10} {data:9} {kind:5} evenkeel {mine['images_per_second']:9.0f} ({mine['dtype']}"
              f"{', deterministic' if fixed else ''}) : PyTorch {theirs['images_per_second']:9.0f} "
              f"({theirs['dtype']}, {theirs['program'].split()[1]}) = {ratio:.2f}")
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="Other options are passed on to bench/torch_step.py.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nets", nargs="+")
    parser.add_argument("--dtypes", nargs="+", default=["bf16", "fp16", "fp32"])
    parser.add_argument("--modes", nargs="+", default=["eager", "compile"])
    parser.add_argument("--seconds", type=float, default=1e9, help="for all variants together")
    parser.add_argument("--step", default=STEP, help="another program than bench/torch_step.py, for tests")
    parser.add_argument("--compare", nargs="+", default=[], metavar="FILE", help="rows of bench_train and of torch_step.py")
    args, passed_on = parser.parse_known_args()
    if args.compare:
        write(compare(args.compare))
    elif not args.nets:
        parser.error("--nets names what is to be measured")
    elif not bench(args, passed_on):
        sys.exit("torch_part: no variant could be measured; the reasons are above")


if __name__ == "__main__":
    main()
