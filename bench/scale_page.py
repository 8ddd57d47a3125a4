"""Writes what bench/scale.py measured and predicted into docs/scale.md, between the marks that stand there.

python bench/scale_page.py scale.json check.json
"""

import argparse
import json
import re
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- bench/scale_page.py: {} -->", "<!-- end -->"
SHOWN = (2, 8, 64, 1024)  # numbers of workers
Report = Mapping[str, Any]


def measured(report: Report) -> list[str]:
    """The cases of training, and the ratios between them."""
    lines = [f"On {machine(report)}:", "", "| | step, ms | computing | exchange | waiting |", "|---|---|---|---|---|"]
    for row in report["cases"]:
        times = " | ".join(f"{1e3 * row[key]:.1f}" for key in ("seconds", "compute", "exchange", "waited"))
        lines.append(f"| {row['case']} | {times} |")
    lines += ["", "| images per second, ratio | median | quartiles |", "|---|---|---|"]
    for row in report["ratios"]:
        low, high = row["quartiles"]
        lines.append(f"| {row['new']} / {row['old']} | {row['ratio']:.2f} | {low:.2f} to {high:.2f} |")
    return lines


def predicted(report: Report) -> list[str]:
    """Milliseconds of a step, its efficiency, and that with overlap."""
    found = {(row["network"], row["workers"], row["link"]): row for row in report["predictions"]}
    networks, links = ([*dict.fromkeys(row[key] for row in report["predictions"])] for key in ("network", "link"))
    lines = ["| network | workers |" + "".join(f" {link} |" for link in links), "|---|---|" + "---|" * len(links)]
    for network in networks:
        for workers in SHOWN:
            cells = [in_words(found.get((network, workers, link))) for link in links]
            lines.append(f"| {network} | {workers:,} | {' | '.join(cells)} |")
    return lines


def in_words(row: Report | None) -> str:
    if row is None:
        return "-"
    return f"{1e3 * row['step_s']:,.0f}, {100 * row['efficiency']:.0f} % ({100 * row['efficiency_overlapped']:.0f} %)"


def checked(report: Report) -> list[str]:
    """Predicted and measured exchanges, side by side."""
    counts = sorted({row["workers"] for row in report["check"]})
    found = {(row["link"], row["bytes"], row["workers"]): row for row in report["check"]}
    lines = [
        "| link | bytes |" + "".join(f" {workers} workers |" for workers in counts),
        "|---|---|" + "---|" * len(counts),
    ]
    for link, size in dict.fromkeys((row["link"], row["bytes"]) for row in report["check"]):
        cells = [found[link, size, workers] for workers in counts]
        shown = (f"{1e3 * r['predicted_s']:,.1f}, {1e3 * r['measured_s']:,.1f} ({r['ratio']:.2f})" for r in cells)
        lines.append(f"| {link} | {size:,} | {' | '.join(shown)} |")
    ratios = sorted(row["ratio"] for row in report["check"])
    lines += ["", f"Milliseconds as predicted, as measured, and their ratio, of which the median is {middle(ratios)}."]
    return lines


def middle(ratios: list[float]) -> str:
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{median:.2f} and the quartiles are {low:.2f} and {high:.2f}"


def machine(report: Report) -> str:
    found = report["versions"]
    return f"{report['cores']} processors of {report['processor']}; " + ", ".join(f"{k} {v}" for k, v in found.items())


def written(page: str, parts: Mapping[str, list[str]]) -> str:
    """The page with these lines between the marks of these names."""
    for name, lines in parts.items():
        begin = BEGIN.format(name)
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(END)}\n", re.DOTALL)
        text = "\n".join([begin, "", *lines, "", END, ""])
        page, count = pattern.subn(lambda _, text=text: text, page)
        if count != 1:
            raise SystemExit(f"scale_page: {begin} stands {count} times in {PAGE.name}")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", metavar="SCALE.JSON", type=Path)
    parser.add_argument("checked", metavar="CHECK.JSON", type=Path)
    arguments = parser.parse_args()
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in (arguments.measured, arguments.checked)]
    parts = {"measured": measured(reports[0]), "predicted": predicted(reports[0]), "checked": checked(reports[1])}
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
