#!/usr/bin/env python3
"""Types the command lines of a recording to the real ipvsadm on the kernel's own IPVS, and records what it says.

    XLVS_GUEST_RUNNER=path/to/runner ./record.py ipvsadm-options.txt

A recording is its own script: its lines that begin with `$ ` are typed anew, in their order, and the answers are
written in their place; a new line is recorded by adding it with `$ ` before it. The runner starts its arguments as
root in a guest whose kernel has ip_vs and which sees the host's files (`cargo xtask vm-test --kernel 6.12 --` does);
ipvsadm must be installed. The guest has the links of tests/support/node.rs.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LINKS = {"e0": ["198.51.100.1/24", "2001:db8:1::1/64"], "e1": ["10.0.1.1/24", "fd00:1::1/64"]}
MARK = "recorded|"


def run(*arguments):
    subprocess.run(arguments, check=True, capture_output=True)


def commands(path):
    return [line[2:] for line in path.read_text().splitlines() if line.startswith("$ ")]


def guest(path):
    run("modprobe", "-a", "dummy", "ip_vs", "ip_vs_pe_sip")
    run("ip", "link", "set", "lo", "up")
    for link, addresses in LINKS.items():
        run("ip", "link", "add", link, "type", "dummy")
        run("ip", "link", "set", link, "up")
        for address in addresses:
            run("ip", "addr", "add", address, "dev", link, "nodad")
    environment = {**os.environ, "LC_ALL": "C", "RES_OPTIONS": "attempts:1 timeout:1"}
    for command in commands(path):
        said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment,
                              stdin=subprocess.DEVNULL, timeout=60)
        lines = [f"$ {command}"]
        lines += [f"out|{line}" for line in said.stdout.splitlines()]
        lines += [f"err|{line}" for line in said.stderr.splitlines()]
        lines.append(f"exit {said.returncode}")
        for line in lines:
            print(MARK + line)
        sys.stdout.flush()


def host(name):
    path = (FOLDER / name).resolve()
    runner = shlex.split(os.environ.get("XLVS_GUEST_RUNNER", ""))
    if not runner:
        sys.exit("XLVS_GUEST_RUNNER is not set: name a program that runs its arguments as root in an IPVS guest")
    command = [*runner, sys.executable, str(Path(__file__).resolve()), "--guest", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    recorded = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    typed = sum(line.startswith("$ ") for line in recorded)
    if done.returncode != 0 or typed != len(commands(path)):
        sys.exit(f"the guest ended with {done.returncode} after {typed} of {len(commands(path))} lines")
    heading = "# Recorded: ipvsadm 1.31 on the IPVS of Linux 6.12. In order: later lines see what earlier ones did.\n"
    path.write_text(heading + "\n".join(recorded) + "\n")
    print(f"{path.name}: {typed} lines")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--guest"]:
        guest(Path(sys.argv[2]))
    else:
        host(sys.argv[1])
