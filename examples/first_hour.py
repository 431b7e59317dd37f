"""The first hour of a new user: every command of the README, CONTRIBUTING and the tutorials, as it is typed.

    python examples/first_hour.py REPOSITORY LOG

Clones REPOSITORY into an empty home and runs the commands one after the other in a terminal of 80 columns, each page's
in a folder of its own. LOG gets each command, what it prints and how long it takes. What the README supposes is made
first, by commands that are logged as well; what needs data of one's own is logged as left out.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: Longer output loses its middle.
MOST_LINES = 40
#: The README's clips with sound that is 120 ms late, and another person's voice.
MAKE_CLIPS = """\
import csv
from pathlib import Path
from avmatch.media.mux import mux

Path("clips").mkdir()
for row in csv.DictReader(open("late/truth.csv")):
    video, audio = Path("late", row["video"]), Path("late", row["audio"])
    mux(video, audio, Path("clips", video.name), offset_seconds=0.0)
"""
PREPARED = [
    "avmatch synth late --scenes 4 --kind face,drums --offset-ms 120",
    "python ~/make_clips.py  # their sound into them, as late as it is",
    "cp clips/v_0001.mp4 v.mp4; avmatch synth others --scenes 1 --seed 9 --kind face; cp others/audio/* other.wav",
]
#: What the tutorials need beyond it.
EXTRAS = "python -m pip install --quiet -c constraints.txt -e '.[edit,train]'"
#: What isn't run, and why.
LEFT_OUT = {"avmatch review": "serves until Ctrl-C", "../shared": "needs published data", "VFEAT": "needs features"}


class Session:
    """A terminal of 80 columns in an empty home, and the log of it."""

    def __init__(self, home: Path, log: Path) -> None:
        self.folder, self.home, self.log = home, home, log
        self.programs = home / "avmatch" / ".venv" / "bin"
        self.started = time.monotonic()
        log.write_text("", encoding="utf-8")

    def write(self, text: str) -> None:
        """Add to the log."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(text)

    def type(self, command: str) -> None:
        """Run a line in the shell and log it."""
        for word, why in LEFT_OUT.items():
            if word in command:
                self.write(f"\n$ {command}\n[left out: {why}]\n")
                return
        own = {"HOME": str(self.home), "COLUMNS": "80", "LINES": "40", "TERM": "dumb", "LC_ALL": "C.UTF-8"}
        own |= {f"GIT_{who}_{what}": "newcomer" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "http", "OMP"))}
        path = os.pathsep.join([str(self.programs), *os.environ["PATH"].split(os.pathsep)])
        begun = time.monotonic()
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command.replace("&& melt", "&& timeout 5 melt"),  # it plays the whole timeline
            shell=True, cwd=self.folder, env=kept | own | {"PATH": path},
            executable=shutil.which("bash"), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        printed = b"".join(read_all(ours))
        status = process.wait()
        end = f"[{time.monotonic() - begun:.1f} s{f', exit status {status}' if status else ''}]"
        self.write(f"\n$ {command}\n{self.readable(printed)}{end}\n")

    def readable(self, printed: bytes) -> str:
        """What stands on the screen in the end, without the names of this machine's folders."""
        text = printed.decode("utf-8", "replace").replace("\r\n", "\n").replace(str(self.home), "~")
        text = re.sub(r".\x08", "", text)
        lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line.rpartition("\r")[2]).rstrip() for line in text.splitlines()]
        if len(lines) > MOST_LINES:
            half = MOST_LINES // 2
            lines[half:-half] = [f"[{len(lines) - MOST_LINES} lines]"]
        return "".join(f"{line}\n" for line in lines)


def read_all(descriptor: int) -> Iterator[bytes]:
    """What comes out of a terminal, to its end."""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # the other side is closed: Linux says so by an error
            part = b""
        if not part:
            os.close(descriptor)
            return
        yield part


def commands(page: Path) -> list[str]:
    """The lines with `$` of a page."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def main() -> None:
    repository, log = sys.argv[1], Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory(prefix="home") as folder:
        session = Session(Path(folder), log)
        clone = Path(folder, "avmatch")
        session.write("# The first hour, from an empty home\n")
        subprocess.run(["git", "clone", "--quiet", repository, clone], check=True)
        pages = [clone / "README.md", *sorted(clone.glob("docs/tutorials/*.md")), clone / "CONTRIBUTING.md"]
        for page in pages:
            session.folder = clone if page.parent == clone else Path(folder, page.stem)
            session.folder.mkdir(exist_ok=True)
            session.write(f"\n\n## {page.relative_to(clone)}\n")
            typed = commands(page)
            if page.name == "README.md":
                Path(folder, "make_clips.py").write_text(MAKE_CLIPS, encoding="utf-8")
                typed = ["make demo", "avmatch doctor", *PREPARED, *typed, EXTRAS]
            for command in typed:
                if command.startswith("git commit"):
                    session.type("echo '- A first change.' >> CHANGELOG.md")
                session.type(command)
        session.write(f"\n[{(time.monotonic() - session.started) / 60:.0f} minutes in all]\n")


if __name__ == "__main__":
    main()
