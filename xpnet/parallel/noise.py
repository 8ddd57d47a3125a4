"""What workers print, without what mpiexec adds when they end: paragraphs that tell nobody what was wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

RULE = re.compile(r"\s*-{70,}\s*$")  # above and below what Open MPI says
# how its paragraphs on workers that ended begin; all others, such as on a host that does not answer, are passed on
ENDED = re.compile(
    r"MPI_ABORT was invoked|(prterun|mpiexec|mpirun) (noticed|detected) that|(prterun|mpiexec|mpirun) has exited due"
    r"|Primary job +terminated|A process or daemon was lost|.*rank \d+ .* exited on"
)
# single lines: of Open MPI, and of MPICH's and Intel MPI's process manager
LINES = re.compile(
    r"\[\S+\] (\d+ more process(es)? ha(s|ve) sent help message|Set MCA parameter|PRTE ERROR: |.*PMIX ERROR: )"
    r"|Abort\(\d+\) on node \d+ .*application called MPI_Abort|application called MPI_Abort"
    r"|={70,}|=   |YOUR APPLICATION TERMINATED WITH|This typically refers to a problem with your application"
    r"|Please see the FAQ page for debugging"
)
WHO = re.compile(r"rank (\d+)\b.*?\bsignal (\d+)( \([^)]*\))?", re.DOTALL)


class Filter:
    """Takes what is printed line by line, and gives on what is not mpiexec's. `died`: which worker a paragraph says was
    killed, and by which signal; nothing if none does.
    """

    def __init__(self, give: Callable[[str], None]) -> None:
        self.died = ""
        self._give = give
        self._held = ""  # a line that may belong to what comes
        self._left_out: list[str] | None = None  # of the paragraph that is just left out

    def take(self, line: str) -> None:
        if "\0" in line:  # with which Open MPI ends what it says
            line = line.replace("\0", "")
            if not line:
                return
        if self._left_out is not None:
            self._left_out.append(line)
            if RULE.match(line):
                self._end_paragraph()
        elif RULE.match(self._held) and ENDED.match(line):
            self._held, self._left_out = "", [line]
        elif LINES.match(line):
            if self._held.isspace():
                self._held = ""
        else:
            self.flush()
            if RULE.match(line) or line.isspace():
                self._held = line
            else:
                self._give(line)

    def flush(self) -> None:
        """Give on what was held back until the next line."""
        if self._held:
            line, self._held = self._held, ""
            self._give(line)

    def _end_paragraph(self) -> None:
        if not self.died and (found := WHO.search("".join(self._left_out or ()))):
            self.died = f"worker {found[1]} died (signal {found[2]}{found[3] or ''})"
        self._left_out = None
