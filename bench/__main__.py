"""`python -m bench`: measure, and say what was measured. No verdicts: figures depend on the machine."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import load, machine, report
from bench.process import BenchError
from bench.scenario import Context, Scenario
from bench.scenarios import ALL

_NAMES = [scenario.name for scenario in ALL]


def main(argv: Sequence[str]) -> int:
    """The exit code: 1 when a scenario could not be measured."""
    options = _parser().parse_args(argv)
    if options.list:
        for scenario in ALL:
            print(f"{scenario.name:10} {scenario.title}")
        return 0
    if options.render:
        report.write_docs(json.loads(options.render.read_text()), _NAMES)
        return 0
    unknown = [name for name in options.names if name not in _NAMES]
    if unknown:
        print(f"there is no scenario {', '.join(unknown)}; there are {', '.join(_NAMES)}", file=sys.stderr)
        return 2
    chosen = [scenario for scenario in ALL if not options.names or scenario.name in options.names]
    results, failed = _all(chosen, options)
    if options.json:
        results = report.merge(options.json, results)
    if options.write_docs:
        report.write_docs(results, _NAMES)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Reactor on this machine.", epilog="Example: python -m bench accept"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(_NAMES)} (default: all)")
    parser.add_argument("--list", action="store_true", help="say what each measures, and measure nothing")
    parser.add_argument("--runs", type=int, default=5, help="runs whose median is taken (default: 5)")
    parser.add_argument("--quick", action="store_true", help="small sizes and short loads: to try the bench itself")
    parser.add_argument("--hour", action="store_true", help="`memory` loads for an hour in place of five minutes")
    parser.add_argument("--dir", type=Path, help="where data is written (default: the system's folder for such)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="put the results into FILE, beside what is there")
    parser.add_argument("--write-docs", action="store_true", help="put the results (all in --json FILE) into the docs")
    parser.add_argument(
        "--render", type=Path, metavar="FILE", help="measure nothing; put what is in FILE into the docs"
    )
    return parser


def _all(chosen: Sequence[Scenario], options: argparse.Namespace) -> tuple[dict[str, report.Result], bool]:
    results: dict[str, report.Result] = {}
    failed = False
    with tempfile.TemporaryDirectory(prefix="reactor-bench-", dir=options.dir, ignore_cleanup_errors=True) as folder:
        where = machine.line(Path(folder))
        print(f"{where}\nload: {load.generator()}\n", flush=True)
        for scenario in chosen:
            ctx = Context(Path(folder), options.quick, options.hour)
            try:
                results[scenario.name] = _measured(scenario, ctx, options.runs, where)
            except BenchError as error:
                failed = True
                print(f"{scenario.title}\n  could not be measured: {error}\n", flush=True)
            else:
                print(report.table(results[scenario.name]) + "\n", flush=True)
    return results, failed


def _measured(scenario: Scenario, ctx: Context, runs: int, where: str) -> report.Result:
    count = 1 if scenario.once else max(1, runs)
    found = []
    for ctx.number in range(count):
        begun = time.perf_counter()
        found.append(scenario.measure(ctx))
        ctx.say(f"{scenario.name}: run {ctx.number + 1} of {count} took {time.perf_counter() - begun:.0f} s")
    return report.result(scenario, found, where, quick=ctx.quick)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
