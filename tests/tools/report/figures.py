# SPDX-License-Identifier: BSL-1.0
"""Makes small files as benchmark programs write them, and a program that writes one."""
import json
import random

CONTEXT = {"date": "2026-01-02T03:04:05+00:00", "host_name": "one", "num_cpus": 2, "cpu": "A & B <CPU>",
           "kernel": "Linux 6 x86_64", "compiler": "gcc 12.2.0", "caches": [], "load_avg": [0.1, 0.2, 0.3],
           "library_build_type": "release", "lastcpu_mode": "full"}

FAKE_PROGRAM = """#!/bin/sh
pattern=. out= list=no
for argument; do
  case $argument in
    --benchmark_list_tests) list=yes ;;
    --benchmark_filter=*) pattern=${argument#*=} ;;
    --benchmark_out=*) out=${argument#*=} ;;
  esac
done
if [ $list = yes ]; then
  grep -E "$pattern" "$0.names" || echo "Failed to match any benchmarks against regex: $pattern" >&2
  exit 0
fi
echo "quick ${LASTCPU_BENCH_QUICK:-no}" >>"$0.runs"
"""


def entry(name, index=0, of=1, **counters):
    return {"name": name, "run_name": name, "run_type": "iteration", "repetitions": of, "repetition_index": index,
            "threads": 1, "iterations": 100, "real_time": 2.0, "cpu_time": 2.0, "time_unit": "us", **counters}


def pair(name, ratio, count=10, raw_ns=100.0, noise=0.01, seed=1):
    """So many repetitions of a pair, whose ratios lie around `ratio`."""
    dice = random.Random(f"{name} {seed}")
    rows = []
    for i in range(count):
        r = ratio * (1 + noise * dice.uniform(-1, 1))
        rows.append(entry(name, i, count, ours_ns=raw_ns * r, raw_ns=raw_ns, ratio=r, ratio_p25=r * 0.98,
                          ratio_p75=r * 1.03))
    return rows


def times(name, count=10, noise=0.01, seed=1, **medians):
    dice = random.Random(f"{name} {seed}")
    return [entry(name, i, count, **{k: v * (1 + noise * dice.uniform(-1, 1)) for k, v in medians.items()})
            for i in range(count)]


def document(*groups, **context):
    return {"context": CONTEXT | context, "benchmarks": [row for group in groups for row in group]}


def write(path, *groups, **context):
    path.write_text(json.dumps(document(*groups, **context)), encoding="utf-8")
    return path


def fake_program(path, *groups, ending=""):
    """A benchmark program that measures nothing: it reports these entries. `ending`: shell code before it does."""
    (path.parent / f"{path.name}.json").write_text(json.dumps(document(*groups), indent=1), encoding="utf-8")
    names = list(dict.fromkeys(row["name"] for group in groups for row in group))
    (path.parent / f"{path.name}.names").write_text("\n".join(names) + "\n", encoding="utf-8")
    printed = "".join(f"echo '{name}   1 ns   1 ns   1'\n" for name in names)
    path.write_text(FAKE_PROGRAM + ending + printed + 'cp "$0.json" "$out"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def simulation(sizes=(2, 16, 4096)):
    """As research/simulation/simulate.py writes it, with made-up times."""
    designs = [("loop", "record", "apart"), ("broadcast", "record", "apart"), ("broadcast", "counter", "apart")]
    stop = [{"design": f"{request}, {answer}", "request": request, "answer": answer, "report": report, "cpus": n,
             "losers": 0, "stopped_ns": 10.0 * n * (i + 1)}
            for i, (request, answer, report) in enumerate(designs) for n in sizes]
    claim = [{"way": way, "spread_ns": 100, "cpus": n, "all_know_ns": 5.0 * n} for way in ("look_first", "at_once")
             for n in sizes]
    step = [{"losers": what, "cpus": n, "step_ns": 5.0} for what in ("watch", "sleep") for n in sizes]
    statements = [{"said": "flags, not <counters>", "cpus": 1024, "ratio": 0.25, "best": [0.125, "a"],
                   "worst": [0.5, "b"]}]
    return {"host": {"cpu": "X & Y"}, "stop": stop, "claim": claim, "step": step, "statements": statements}
