# SPDX-License-Identifier: BSL-1.0
"""Behind tools/bench: runs the benchmark programs and writes bench.json, the pictures and report.html."""
import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

import page
import plots
import simulation
import terminal
from gnuplot import PlotError
from goals import verdicts
from results import BadResults, load, save
from run import FULL, QUICK, Failed, run


def regex(text):
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression ({error}); one is '^claim'") from error
    if not text:
        raise argparse.ArgumentTypeError("needs a regular expression, for example '^claim'")
    return text


def arguments():
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__)
    parser.add_argument("--programs", help="a file that names the benchmark programs, one a line")
    parser.add_argument("--report", metavar="FILE", help="run nothing; make the report of this JSON file")
    parser.add_argument("--simulation", metavar="FILE", help="what research/simulation/simulate.py wrote, for the report")
    parser.add_argument("--filter", type=regex, default=".")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--spent", type=int, default=0, metavar="SECONDS", help="what has been used up of the time")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--left-out", type=Path, metavar="FILE", help="has a line for each peer that could not be built")
    parser.add_argument("--context", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args()


def measure(options):
    """(Results, [what went wrong])."""
    paths = Path(options.programs).read_text(encoding="utf-8").split("\n")
    paths = [p for p in paths if p]
    plan = QUICK if options.quick else FULL
    plan = replace(plan, seconds=max(0, plan.seconds - options.spent))
    results, errors = run(paths, options.filter, plan, options.out / "programs")
    if not results.benchmarks:
        raise Failed("no benchmark gave a result:\n" + "\n".join(errors))
    results.context |= dict(pair.split("=", 1) for pair in options.context)
    results.context |= {"executable": "tools/bench", "lastcpu_mode": "quick" if options.quick else "full",
                        "lastcpu_programs": ", ".join(dict.fromkeys(b.program for b in results.benchmarks))}
    if options.left_out:
        results.context["lastcpu_left_out"] = options.left_out.read_text(encoding="utf-8").splitlines()
    return results, errors


def write_report(results, simulated, out, errors):
    """The pictures and the page. Returns the verdicts."""
    judged = verdicts(results)
    drawn = plots.pictures(results, judged)
    for picture in drawn + (simulated.pictures if simulated else []):
        (out / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")
    (out / "report.html").write_text(page.render(results, drawn, judged, errors, simulated), encoding="utf-8")
    return judged


def complain(error, status):
    print(f"bench: {error}", file=sys.stderr)
    return status


def main():
    options = arguments()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        simulated = simulation.read(options.simulation) if options.simulation else None
        if options.report:
            results = load(options.report)
            errors = [f"{b.program}: {b.label}: {b.error}" for b in results.benchmarks if b.error]
        else:
            results, errors = measure(options)
        save(results, options.out / "bench.json")
        judged = write_report(results, simulated, options.out, errors)
    except BadResults as error:
        return complain(error, 2)
    except (Failed, PlotError) as error:
        return complain(error, 1)
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}; choose another directory with --out", 2)
    except KeyboardInterrupt:
        return complain("interrupted; bench.json and the report were not written", 130)
    print(*terminal.report(results, judged), sep="\n")
    for error in errors:
        print(f"FAILED: {error}")
    print(f"\n{options.out}/bench.json\n{options.out}/report.html")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
