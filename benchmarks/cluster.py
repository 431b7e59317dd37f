"""`embed --on ray` beside `embed`: the same bytes, whatever dies; what it costs.

    python benchmarks/cluster.py WORK [--files 200] [--seconds 1]

1. Synthetic clips (and their sounds) are rendered into WORK, and embedded by one process.
2. By a local cluster of two workers, with one more clip that crashes its decoder (a stand-in: `av.open` of that name
   ends the process by SIGSEGV), and one worker killed by SIGKILL when a third of the files is in the cache.
3. By two workers with nothing killed, once more with all features kept: what a file costs beside its analysis.
4. By eight processes on one cache, three of them killed.

Caches and outputs are compared byte for byte with those of the one process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from avmatch.synth import SynthConfig, synthesise

#: Stands in for a decoder that crashes: `av.open` of a file of this name kills the process.
CRASHING = """
import os
import signal
import sys

if any("ray" in one or "avmatch" in one for one in sys.orig_argv):
    import av
    opened = av.open

    def crashing(file, *arguments, **options):
        if "crash" in str(file):
            os.kill(os.getpid(), signal.SIGSEGV)
        return opened(file, *arguments, **options)

    av.open = crashing
"""


def started(clips: Path, out: Path, cache: Path, *options: str, site: Path | None = None) -> subprocess.Popen:
    """`avmatch embed` on its way."""
    before = os.environ.get("PYTHONPATH", "")
    environment = os.environ | {"PYTHONPATH": before if site is None else f"{site}{os.pathsep}{before}"}
    command = [sys.executable, "-m", "avmatch", "embed", str(clips), "-o", str(out), "--cache", str(cache), *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def timed(*arguments: object) -> tuple[float, str]:
    """Seconds until it has ended, and what it said."""
    begin = time.perf_counter()
    process = started(*arguments)  # type: ignore[arg-type]
    _, said = process.communicate()
    assert process.returncode == 0, said
    return time.perf_counter() - begin, said


def contents(folder: Path) -> dict[Path, bytes]:
    """What is in a folder, but for what a killed process left behind."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".avmatch-"))
    return {path.relative_to(folder): path.read_bytes() for path in files}


def workers() -> list[int]:
    """Processes of Ray's workers that have a file."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            if command.startswith(b"ray::_Worker.do"):
                found.append(int(entry.name))
    return found


def kept(cache: Path) -> int:
    """Features in a cache."""
    return sum(not path.name.startswith(".avmatch-") for path in cache.rglob("*.npz"))


def with_deaths(work: Path, clips: Path, num_wanted: int) -> tuple[float, str, int]:
    """Two workers, one of them killed at a third, and a clip that crashes."""
    site, crash = work / "site", clips / "videos" / "crash.mp4"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(CRASHING, encoding="utf-8")
    shutil.copy(next(path for path in (clips / "videos").iterdir()), crash)
    with crash.open("ab") as file:
        file.write(b"!")
    begin, killed = time.perf_counter(), 0
    process = started(clips, work / "ray", work / "ray-cache", "--on", "ray", site=site)
    while process.poll() is None and not killed:
        if kept(work / "ray-cache") >= num_wanted // 3 and (running := workers()):
            os.kill(running[0], signal.SIGKILL)
            killed = running[0]
        time.sleep(0.02)
    _, said = process.communicate()
    crash.unlink()
    assert process.returncode == 0, said
    return time.perf_counter() - begin, said, killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    work, num = arguments.work, arguments.files
    clips = work / "clips"
    if not (clips / "truth.csv").exists():
        synthesise(clips, SynthConfig(num // 2, seed=1, duration_seconds=arguments.seconds))
    for name in ("one", "one-cache", "ray", "ray-cache", "two", "two-cache", "cache8"):
        shutil.rmtree(work / name, ignore_errors=True)
    print(
        f"{num} files of {arguments.seconds:g} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True
    )
    alone, _ = timed(clips, work / "one", work / "one-cache")
    wanted, features = contents(work / "one"), contents(work / "one-cache")
    print(f"one process: {alone:.1f} s, {1000 * alone / num:.0f} ms a file ({len(features)} features)", flush=True)
    spent, said, killed = with_deaths(work, clips, len(features))
    same = contents(work / "ray") == wanted, contents(work / "ray-cache") == features
    named = [line for line in said.splitlines() if "crash.mp4" in line]
    print(f"two workers, {killed and 1} killed, one crashing clip: {spent:.1f} s = {spent / alone:.2f} ×", flush=True)
    print(f"  output equal {same[0]}, cache equal {same[1]}; named: {named}", flush=True)
    whole, _ = timed(clips, work / "two", work / "two-cache", "--on", "ray")
    same = contents(work / "two") == wanted, contents(work / "two-cache") == features
    print(f"two workers, nothing killed: {whole:.1f} s = {whole / alone:.2f} ×; equal {same}", flush=True)
    again, again_alone = (
        timed(clips, work / "two", work / "two-cache", "--on", "ray")[0],
        timed(clips, work / "one", work / "one-cache")[0],
    )
    print(
        f"again, all features kept: {again:.1f} s and {again_alone:.1f} s: Ray costs {again - again_alone:.1f} s more, "
        f"start and end included, {1000 * (again - again_alone) / num:.0f} ms a file",
        flush=True,
    )
    begin = time.perf_counter()
    processes = [started(clips, work / f"out-{number}", work / "cache8") for number in range(8)]
    while kept(work / "cache8") < len(features) // 3 and any(process.poll() is None for process in processes):
        time.sleep(0.02)
    for process in processes[:3]:
        process.send_signal(signal.SIGKILL)
    codes = [process.wait() for process in processes if process.communicate()]
    same = [contents(work / f"out-{number}") == wanted for number in range(3, 8)]
    spent = time.perf_counter() - begin
    print(
        f"eight processes on one cache, {codes.count(-signal.SIGKILL)} killed: {spent:.1f} s; outputs equal {same}, "
        f"cache equal {contents(work / 'cache8') == features}"
    )


if __name__ == "__main__":
    main()
