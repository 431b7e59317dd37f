"""`make release`: docs/licences.md, the licences of what a bare install brings.

    python docs/licences.py PYTHON

Versions are left out, so that the table changes only when a dependency or its licence does; the SBOM has them.
"""

import json
import subprocess
import sys
from pathlib import Path

#: What stays with the user's own Python.
UNSHIPPED = ("avmatch", "pip", "setuptools")
HEAD = """# Licences of the dependencies

What `pip install avmatch` brings, without extras. Written by `make release` from the installed packages' metadata.
avmatch itself is under the [MIT licence](../LICENSE); the model `semantic` holds blocks of EfficientNet-Lite0
([Apache 2.0](../src/avmatch/weights/semantic/LICENSE-APACHE-2.0.txt)). The wheels of av hold FFmpeg with x264 and x265
(LGPL and GPL): whoever passes them on keeps to those as well.

| package | licence |
|---|---|
"""


def main() -> None:
    command = [Path(sys.executable).parent / "pip-licenses", "--python", sys.argv[1], "--from", "mixed"]
    options = ["--format", "json", "--ignore-packages", *UNSHIPPED]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    packages = sorted(json.loads(done.stdout), key=lambda row: row["Name"].lower())
    rows = [f"| {row['Name'].lower()} | {row['License']} |\n" for row in packages]
    (Path(__file__).parent / "licences.md").write_text(HEAD + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
