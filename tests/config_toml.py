"""Compares config files (first folder) with their resolved copies (second) as TOML: what a file says, its copy says."""
import pathlib
import sys
import tomllib


def read(path):
    with open(path, "rb") as stream:
        return tomllib.load(stream)


def check(where, said, resolved):
    if isinstance(said, dict):
        for key, value in said.items():
            if key not in resolved:
                sys.exit(f"{where}: {key} is missing from the resolved copy")
            check(f"{where}.{key}", value, resolved[key])
    elif isinstance(said, list) and said and isinstance(said[0], dict):
        if len(said) != len(resolved):
            sys.exit(f"{where}: {len(said)} sections became {len(resolved)}")
        for number, pair in enumerate(zip(said, resolved)):
            check(f"{where}[{number}]", *pair)
    elif said != resolved:
        sys.exit(f"{where}: {said!r} became {resolved!r}")


files = sorted(pathlib.Path(sys.argv[1]).glob("*.ini"))
if not files:
    sys.exit("no config files")
for file in files:
    check(file.name, read(file), read(pathlib.Path(sys.argv[2]) / file.name))
