# SPDX-License-Identifier: BSL-1.0
"""this_host_test.py MEASURE_COSTS: what that program measures here is what simulate.py takes. No figure is judged."""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
BETWEEN_TWO = ("transfer_same_socket", "rmw_same_socket", "misses_in_flight", "tgkill", "signal_handled", "signal_alone")


def main():
    with tempfile.TemporaryDirectory() as directory:
        costs = Path(directory) / "costs.json"
        subprocess.run([sys.argv[1], costs], check=True, timeout=60)
        found = json.loads(costs.read_text(encoding="utf-8"))
        wanted = ["load_hit", "rmw_hit", "save_registers", *(BETWEEN_TWO if len(os.sched_getaffinity(0)) > 1 else ())]
        missing = [name for name in wanted if not found["costs"].get(name, {}).get("value", 0) > 0]
        if missing:
            sys.exit(f"measure_costs has not measured {', '.join(missing)}")
        subprocess.run([sys.executable, HERE / "simulate.py", "--costs", costs, "--out", directory, "--largest", "16"],
                       check=True, timeout=60)
    refused = subprocess.run([sys.argv[1], "/nowhere/costs.json"], capture_output=True, text=True)
    if refused.returncode == 0 or "can't write '/nowhere/costs.json': No such file" not in refused.stderr:
        sys.exit(f"a file that can't be written: status {refused.returncode}, {refused.stderr}")


if __name__ == "__main__":
    main()
