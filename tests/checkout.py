"""A copy of the code with a commit of its own and a grid of tiny runs, for tests of whole workflows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OWN = ROOT / ".venv" / "engine" / "bin" / "snakemake"
SNAKEMAKE = os.environ.get("SNAKEMAKE") or shutil.which("snakemake") or (str(OWN) if OWN.is_file() else None)
needs_snakemake = pytest.mark.skipif(not SNAKEMAKE, reason="needs Snakemake: `make records ARGS=-n` installs it")
ENTRY = {"protocol": "tagging", "tasks": ["mini-wikiann"], "setups": ["vanilla"], "size": 20}
ENTRY |= {"train_size": 32, "dev_size": 16, "epochs": 1, "max_length": 32}


class Checkout:
    """A copy of the code with a commit of its own, and a grid of tiny runs."""

    def __init__(self, folder: Path):
        self.folder = folder
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "xlgen", "paper", "workflow"],
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        for name in ("notebooks", "book"):
            (folder / name).mkdir()
        for chapter, tags in (("one", "[]"), ("ledger", '["reads:book/notebooks"]')):
            text = f"# %% [markdown]\n# # Title\n# prose\n\n# %% tags={tags}\nprint(1)\n"
            (folder / "notebooks" / f"{chapter}.py").write_text(text)
        (folder / "book" / "start.md").write_text("# Start\n")
        pages = [{"file": f"notebooks/{chapter}"} for chapter in ("one", "ledger")]
        toc = {"format": "jb-book", "root": "start", "chapters": pages}  # what a checkout is known by, too
        settings = {"title": "a book", "execute": {"execute_notebooks": "off"}, "sphinx": {"config": {}}}
        for name, content in (("_toc", toc), ("_config", settings)):
            (folder / f"{name}.yml").write_text(json.dumps(content))
            (folder / "book" / f"{name}.yml").symlink_to(f"../{name}.yml")
        made = ("/runs", "/build", "/records", "/book/notebooks", "/book/_build", "/.snakemake", "/grid.yml")
        (folder / ".gitignore").write_text("\n".join(("__pycache__", *made, "")))
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a copy"]):
            who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
            subprocess.run(["git", "-C", str(folder), *who, *words], check=True)

    def grid(self, seeds: list[int]) -> None:
        (self.folder / "grid.yml").write_text(json.dumps({"tiny": [ENTRY | {"seeds": seeds}]}))

    def start(self, *words: str) -> subprocess.Popen:
        settings = ["grid=tiny", "file=grid.yml", f"xlgen={sys.executable} -m paper"]
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # for jupyter-book
        environment = os.environ | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", "PATH": path}
        command = [SNAKEMAKE, *words, "--config", *settings]
        how = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        return subprocess.Popen(command, cwd=self.folder, env=environment, **how)

    def run(self, *words: str) -> dict[str, int]:
        """Jobs that were done, by rule."""
        process = self.start(*words)
        said, _ = process.communicate()
        assert process.returncode == 0, said
        rules = [line.split()[1].rstrip(":") for line in said.splitlines() if line.startswith(("rule ", "localrule "))]
        return {rule: rules.count(rule) for rule in {*rules} - {"records"}}

    def numbers(self) -> dict[str, dict]:
        """Everything measured, by record and name."""
        records = {path.stem: json.loads(path.read_text()) for path in (self.folder / "records").glob("*.json")}
        return {name: {key: one["values"] for key, one in r["measured"].items()} for name, r in records.items()}
