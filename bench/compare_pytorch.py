#!/usr/bin/env python3
"""evenkeel beside PyTorch on this machine's CPU: the same networks, batches, optimizer and number of threads.

Parts, in order (--parts):
  same     the networks are the same: number of parameters, and the loss of the same weights on the same images
  speed    images/s of whole training steps. Rounds of evenkeel and of every PyTorch variant (eager and torch.compile,
           channels last) take turns; a figure is the median of the rounds, beside it the CPU time of a step, which other work disturbs less. evenkeel picks, crops and flips images,
           PyTorch trains on one batch that is there already. The best variant counts, per precision and over all
  augment  the share of a step that picking, cropping and flipping its images takes here (`evenkeel bench`)
  start    seconds from the start of the process to the first finished step: for evenkeel a whole `evenkeel train` of one
           step, with evaluation and checkpoint; for PyTorch the imports, the network, a batch and one eager step
  memory   largest resident memory of a process that trains some steps, on one batch of images
  fashion  seconds from the start of the process to 90 % of Fashion-MNIST's test images right, same network and schedule;
           of --seeds from --first-seed on, their medians too
           (EVENKEEL_DATA names the folder that has fashion-mnist in it; eager, since that is over before compiling pays)

PyTorch comes from the Python that PYTHON names, else from build/venv, which is made on first use with
`pip install torch` (TORCH_PIP: other arguments for pip, such as the index of builds without CUDA, which are smaller).
Machine, versions and figures are added to bench/results/compare_pytorch.json.

--isa avx2 (or avx512) has both programs do without anything beyond it, to stand for an older CPU: it is this machine all
the same, with its caches, memory and clock.
"""
import argparse
import datetime
import json
import math
import os
import statistics
import subprocess
import sys
import time
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
WORK = os.path.join(BUILD, "compare")
# What keeps each program from using more than an instruction set: evenkeel; PyTorch's own loops and those it compiles;
# oneDNN; MKL.
LIMITS = {isa: {"EVENKEEL_CPU": isa, "ATEN_CPU_CAPABILITY": isa, "ONEDNN_MAX_CPU_ISA": onednn, "MKL_ENABLE_INSTRUCTIONS": mkl}
          for isa, onednn, mkl in (("avx2", "AVX2", "AVX2"), ("avx512", "AVX512_CORE", "AVX512"))}
PARTS = ("same", "speed", "augment", "start", "memory", "fashion")
# GNU OpenMP's threads spin shortly, as evenkeel's do: what spins longer disturbs the other program's rounds.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", os.path.join(BUILD, "inductor"))


def find_torch():
    """Goes on in a Python that has PyTorch."""
    if os.environ.get("COMPARE_PYTHON_FOUND"):
        return
    python = os.environ.get("PYTHON")
    if not python:
        venv = os.path.join(BUILD, "venv")
        python = os.path.join(venv, "bin", "python")
        if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode if os.path.exists(python) else 1:
            print(f"compare_pytorch: installing PyTorch into {venv}", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
            words = os.environ.get("TORCH_PIP", "torch").split()
            if subprocess.run([python, "-m", "pip", "install", "--quiet", *words]).returncode:
                sys.exit("compare_pytorch: PyTorch cannot be installed here; name a Python that has it with PYTHON=")
    os.environ["COMPARE_PYTHON_FOUND"] = "1"
    sys.stdout.flush()
    os.execv(python, [python, *sys.argv])


# ---- evenkeel ----


class Served:
    """bench_train, waiting for rounds."""

    def __init__(self, net, dtype, data, seconds):
        words = [os.path.join(BUILD, "bench", "bench_train"), "--case", net, "--dtype", dtype, "--data", data,
                 "--seconds", str(seconds), "--serve"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answer = self.process.stdout.readline().split()
        if answer[:1] != ["ready"]:
            sys.exit(f"compare_pytorch: {' '.join(words)} does not answer")
        self.parameters, self.steps = int(answer[1]), int(answer[2])

    def round(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def evenkeel(*words):
    words = [os.path.join(BUILD, "evenkeel"), *words]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compare_pytorch: {' '.join(words)}: {done.stderr}")
    return done.stdout


def run_words(net, data, **keys):
    """A config file, its path and that of the run it makes. data "": none."""
    os.makedirs(WORK, exist_ok=True)
    path = os.path.join(WORK, f"{net}.ini")
    named = {"data.train": data, "data.val": data} if data else {}
    keys = {**named, "model.name": net, "optim.name": "adamw", "run.dir": WORK,
            "run.name": f"{net}-{os.getpid()}-{time.monotonic_ns()}", **keys}
    sections = {}
    for key, value in keys.items():
        section, name = key.split(".")
        sections.setdefault(section, []).append(f"{name} = {value}")
    with open(path, "w") as file:
        file.writelines(f"[{section}]\n" + "".join(line + "\n" for line in lines) for section, lines in sections.items())
    return path, os.path.join(WORK, keys["run.name"])


def write_data(net):
    """Noise as IDX (grey) or CIFAR-10 (colour) files that both programs read: folder, images of the test part [n,h,w,c],
    labels."""
    import torch
    side, channels = (28, 1) if net in ("mlp", "small_cnn") else (32, 3)
    folder = os.path.join(WORK, f"noise{channels}")
    os.makedirs(folder, exist_ok=True)
    random = torch.Generator().manual_seed(1)
    for part, count in (("train", 512), ("t10k", 256)):
        labels = (torch.arange(count) % 10).to(torch.uint8)
        images = torch.randint(0, 256, (count, side, side, channels), dtype=torch.uint8, generator=random)
        if channels == 1:
            for name, tensor, magic in (("images-idx3", images, 0x803), ("labels-idx1", labels, 0x801)):
                with open(os.path.join(folder, f"{part}-{name}-ubyte"), "wb") as file:
                    head = (magic, count, side, side) if tensor is images else (magic, count)
                    file.write(b"".join(n.to_bytes(4, "big") for n in head) + bytes(tensor.flatten().tolist()))
        else:
            rows = torch.cat([labels[:, None], images.permute(0, 3, 1, 2).flatten(1)], 1)
            names = [f"data_batch_{i}.bin" for i in range(1, 6)] if part == "train" else ["test_batch.bin"]
            for name in names:
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(bytes(rows.flatten().tolist()))
    return folder, images, labels


# ---- the parts ----


def part_same(args, rows):
    import torch
    import torch_nets
    for net in args.nets:
        folder, images, labels = write_data(net)
        keys = {"model.stem": "imagenet"} if net == "resnet50" else {}
        config, run = run_words(net, folder, **{"train.precision": "fp32", "train.max_steps": 8, "train.batch_size": 32,
                                                "data.val": folder, **keys})
        evenkeel("train", config)
        ours = json.loads(evenkeel("eval", run, "--weights", "last", "--json"))["loss"]
        tensors, metadata = torch_nets.read_safetensors(os.path.join(run, "checkpoints", "last", "model.safetensors"))
        model = torch_nets.build(net, 10).eval()
        model.load_state_dict(tensors)
        mean, std = (torch.tensor(json.loads(metadata[key])) for key in ("mean", "std"))
        x = ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)
        with torch.no_grad():
            theirs = float(torch.nn.functional.cross_entropy(model(x), labels.long()))
        off = abs(ours - theirs) / theirs
        count = sum(p.numel() for p in model.parameters())
        print(f"same    {net:10} {count:9} parameters, loss {ours:.6f} and {theirs:.6f} in PyTorch", flush=True)
        if not off < 1e-4:
            sys.exit(f"compare_pytorch: {net}: the networks differ: the loss of the same weights is off by {off:.2g}")
        rows.append({"part": "same", "net": net, "parameters": count, "loss": ours, "loss_pytorch": theirs})


def open_variants(net, dtype, args):
    import torch
    import torch_step
    batch = torch_step.NETS[net][5]
    data = torch_step.Data(net, batch, torch.device("cpu"), False)
    contenders = {}
    for mode in args.modes:
        variant = torch_step.Variant(net, dtype, mode, data, torch.device("cpu"))
        try:
            variant.steps = torch_step.warm(variant, args.round)
            contenders["pytorch " + mode] = variant
        except Exception as error:  # a compiler that is missing, memory that is not there
            print(f"# {net} {dtype} {mode}: {str(error).strip().splitlines()[0][:160]}", flush=True)
    return batch, contenders


def part_speed(args, rows):
    for net in args.nets:
        for dtype in args.dtypes:
            batch, contenders = open_variants(net, dtype, args)
            ours = Served(net, dtype, "resident", 5 * args.round)
            theirs = next(iter(contenders.values())).model
            if ours.parameters != sum(p.numel() for p in theirs.parameters()):
                sys.exit(f"compare_pytorch: {net}: {ours.parameters} parameters here, not as many in PyTorch")
            contenders["evenkeel"] = ours
            times, used = {name: [] for name in contenders}, {name: [] for name in contenders}
            for _ in range(args.rounds):
                for name, contender in contenders.items():
                    clock = ours.cpu_seconds if name == "evenkeel" else time.process_time
                    begin = clock()
                    times[name].append(contender.round(contender.steps))
                    used[name].append((clock() - begin) / contender.steps)
            ours.close()
            for name, seconds in times.items():
                rows.append({"part": "speed", "net": net, "dtype": dtype, "batch": batch, "program": name,
                             "images_per_second": batch / statistics.median(seconds),
                             "least": batch / max(seconds), "most": batch / min(seconds),
                             "cpu_seconds": statistics.median(used[name]), "rounds": len(seconds)})
    report_speed(rows)


def report_speed(rows):
    speeds = [row for row in rows if row["part"] == "speed"]
    print(f"{'net':10} {'dtype':5} {'batch':>5} {'evenkeel':>9} {'eager':>9} {'compile':>9}  times PyTorch's best; by CPU time")
    best = {}
    for net, dtype in dict.fromkeys((row["net"], row["dtype"]) for row in speeds):
        of = {row["program"]: row for row in speeds if (row["net"], row["dtype"]) == (net, dtype)}
        ours = of.pop("evenkeel")
        theirs = max(row["images_per_second"] for row in of.values())
        best.setdefault(net, []).append((ours["images_per_second"], theirs))
        cpu = min(row["cpu_seconds"] for row in of.values()) / ours["cpu_seconds"]
        cells = [f"{of[p]['images_per_second']:9.0f}" if p in of else f"{'-':>9}" for p in ("pytorch eager", "pytorch compile")]
        print(f"{net:10} {dtype:5} {ours['batch']:5} {ours['images_per_second']:9.0f} {' '.join(cells)}  "
              f"{ours['images_per_second'] / theirs:.2f}; {cpu:.2f}", flush=True)
    for net, pairs in best.items():
        if len(pairs) > 1:
            ours, theirs = (max(column) for column in zip(*pairs))
            print(f"{net:10} best  {'':5} {ours:9.0f} {theirs:19.0f}  {ours / theirs:.2f}", flush=True)


def part_augment(args, rows):
    import torch_nets
    for net in args.nets:
        side, channels, classes, pad, _, batch = torch_nets.NETS[net]
        for dtype in args.dtypes:
            config, _ = run_words(net, "", **{"train.precision": dtype, "train.batch_size": batch, "augment.hflip": 0.5,
                                              "augment.crop_padding": pad})
            found = json.loads(evenkeel("bench", config, "--image", f"{side}x{side}x{channels}", "--classes", str(classes),
                                        "--seconds", "1", "--json"))
            gather = next(part["seconds"] for part in found["parts"] if part["name"] == "gather")
            products = sum(part["seconds"] for part in found["parts"] if part.get("operation") in ("conv2d", "linear"))
            step = found["step_seconds"]
            rows.append({"part": "augment", "net": net, "dtype": dtype, "share": gather / step,
                         "step_over_products": step / products})
            print(f"augment {net:10} {dtype:5} {100 * gather / step:.2f} % of the step, which is {step / products:.2f} times "
                  f"as long as its products", flush=True)


def child(*words):
    """Seconds and KiB of a process, and what it printed."""
    begin = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said, errors = process.communicate()
    took = time.perf_counter() - begin
    if process.returncode:
        sys.exit(f"compare_pytorch: {' '.join(words)}: {errors}")
    return took, said


def torch_child(kind, net, dtype):
    return child(sys.executable, os.path.abspath(__file__), "--child", kind, net, dtype, "eager")


def part_start(args, rows):
    for net in [net for net in ("small_cnn", "resnet18") if net in args.nets]:
        folder, *_ = write_data(net)
        import torch_nets
        batch = torch_nets.NETS[net][5]
        ours, theirs = [], []
        for _ in range(3):
            config, _ = run_words(net, folder, **{"train.max_steps": 1, "train.batch_size": batch})
            ours.append(child(os.path.join(BUILD, "evenkeel"), "train", config)[0])
            theirs.append(torch_child("start", net, args.dtypes[-1])[0])
        row = {"part": "start", "net": net, "seconds": statistics.median(ours), "seconds_pytorch": statistics.median(theirs)}
        rows.append(row)
        print(f"start   {net:10} {row['seconds']:.3f} s, PyTorch {row['seconds_pytorch']:.3f} s: "
              f"{row['seconds'] / row['seconds_pytorch']:.3f} of it", flush=True)


def part_memory(args, rows):
    measure = ("import os,resource,subprocess,sys;subprocess.run(sys.argv[1:],check=True,stdout=2,stdin=0);"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    for net in args.nets:
        for dtype in args.dtypes:
            bench = [os.path.join(BUILD, "bench", "bench_train"), "--case", net, "--dtype", dtype, "--data", "batch",
                     "--seconds", "0.01"]
            torch = [sys.executable, os.path.abspath(__file__), "--child", "memory", net, dtype, "eager"]
            ours, theirs = (int(child(sys.executable, "-c", measure, *words)[1]) / 1024 for words in (bench, torch))
            rows.append({"part": "memory", "net": net, "dtype": dtype, "mib": ours, "mib_pytorch": theirs})
            print(f"memory  {net:10} {dtype:5} {ours:6.0f} MiB, PyTorch {theirs:6.0f} MiB: {ours / theirs:.2f} of it", flush=True)


def time_evenkeel(data, dtype, schedule, goal, seed):
    """Seconds until results.csv has an epoch with so many test images right, and the share of each epoch up to it."""
    config, run = run_words("small_cnn", data, **{
        "train.precision": dtype, "train.epochs": schedule["epochs"], "train.batch_size": schedule["batch"],
        "train.seed": seed, "optim.lr": schedule["lr"], "optim.weight_decay": schedule["decay"],
        "optim.decay": "weights", "schedule.name": "cosine", "schedule.warmup_epochs": schedule["warmup"],
        "schedule.warmup_start": 0, "augment.hflip": 0.5, "augment.crop_padding": 2})
    begin, path, shares = time.perf_counter(), os.path.join(run, "results.csv"), []
    process = subprocess.Popen([os.path.join(BUILD, "evenkeel"), "train", config], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while True:
        over = process.poll() is not None
        if os.path.exists(path):
            with open(path) as file:
                lines = [line.split(",") for line in file.read().splitlines()]
            if len(lines) > 1:
                column = lines[0].index("metrics/accuracy_top1")
                shares = [float(line[column]) for line in lines[1:]]
                if shares[-1] >= goal:
                    took = time.perf_counter() - begin
                    process.terminate()
                    process.wait()
                    return took, shares
        if over:
            return float("nan"), shares
        time.sleep(0.02)


def time_pytorch(data, dtype, schedule, goal, seed):
    words = [schedule[key] for key in ("epochs", "batch", "lr", "decay", "warmup")]
    script = os.path.join(ROOT, "bench", "torch_fashion.py")
    took, said = child(sys.executable, "-W", "ignore", script, data, dtype, *(str(word) for word in (*words, goal, seed)))
    shares = [float(line.split()[1]) for line in said.splitlines()]
    return (took if shares[-1] >= goal else float("nan")), shares


def part_fashion(args, rows):
    data = os.path.join(os.environ.get("EVENKEEL_DATA", ""), "fashion-mnist")
    if not os.path.isdir(data):
        print("fashion skipped: EVENKEEL_DATA names no folder with fashion-mnist in it")
        return
    schedule, goal = {"epochs": 6, "batch": 64, "lr": 0.002, "decay": 0.05, "warmup": 1}, 0.90
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for dtype in args.dtypes:
            for name, measure in (("evenkeel", time_evenkeel), ("pytorch eager", time_pytorch)):
                took, shares = measure(os.path.abspath(data), dtype, schedule, goal, seed)
                rows.append({"part": "fashion", "program": name, "dtype": dtype, "seed": seed, "epoch": len(shares),
                             "accuracy": shares, "seconds": took if took == took else None})
                print(f"fashion {dtype:5} seed {seed}  {name:14} {took:7.1f} s, {len(shares)} epochs of {schedule['epochs']}: "
                      f"{' '.join(f'{share:.4f}' for share in shares)}", flush=True)
    for dtype in args.dtypes:
        ours, theirs = (statistics.median(row["seconds"] or math.inf for row in rows if row["part"] == "fashion"
                                          and row["dtype"] == dtype and row["program"] == program)
                        for program in ("evenkeel", "pytorch eager"))
        print(f"fashion {dtype:5} medians {ours:.1f} s of {theirs:.1f} s: {ours / theirs:.3f}", flush=True)


def run_child(kind, net, dtype, mode):
    """In a process of its own: some steps, then the end."""
    import torch
    import torch_step
    data = torch_step.Data(net, torch_step.NETS[net][5], torch.device("cpu"), False)
    torch_step.Variant(net, dtype, mode, data, torch.device("cpu")).round(1 if kind == "start" else 3)


# ---- what was found ----


def machine():
    model, flags = "CPU", ""
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
        if line.startswith("flags"):
            flags = " ".join(f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in line.split())
    import torch
    version = evenkeel("--version").split()[1]
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    return {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "cpu": model,
            "instructions": flags, "threads": torch.get_num_threads(), "evenkeel": version, "commit": commit,
            "pytorch": torch.__version__, "python": sys.version.split()[0]}


def write_results(path, runs):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w") as file:
        file.write("[" + ",\n".join(json.dumps(run) for run in runs) + "]\n")
    os.replace(path + ".new", path)


def main():
    if sys.argv[1:2] == ["--child"]:
        return run_child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--nets", nargs="+", default=["mlp", "small_cnn", "resnet18", "resnet50"])
    parser.add_argument("--dtypes", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--modes", nargs="+", default=["eager", "compile"], choices=["eager", "compile"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--round", type=float, default=0.4, help="seconds of one round (0.4)")
    parser.add_argument("--seeds", type=int, default=1, help="of the fashion part (1)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first of them (0)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="PyTorch's; evenkeel takes all")
    parser.add_argument("--isa", choices=LIMITS, help="the most that both programs may use; default: what there is")
    parser.add_argument("--results", default=os.path.join(ROOT, "bench", "results", "compare_pytorch.json"))
    args = parser.parse_args()
    os.environ.update(LIMITS.get(args.isa, {}))
    if os.path.isdir(args.results):
        args.results = os.path.join(args.results, "compare_pytorch.json")
    find_torch()
    warnings.filterwarnings("ignore")
    import torch
    torch.set_num_threads(args.threads)
    facts, rows = machine(), []
    if args.isa:
        facts["limited_to"] = args.isa
    print(f"{facts['cpu']}, {facts['threads']} threads, {facts['instructions']}"
          f"{', limited to ' + args.isa if args.isa else ''}; evenkeel {facts['evenkeel']}, "
          f"PyTorch {facts['pytorch']}", flush=True)
    runs = json.load(open(args.results)) if os.path.exists(args.results) else []
    for part in args.parts:
        globals()["part_" + part](args, rows)
        write_results(args.results, [*runs, {**facts, "rows": rows}])  # what is cut short keeps its finished parts


if __name__ == "__main__":
    main()
