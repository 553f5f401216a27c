"""Execute the chapters whose output is stale, side by side: what ``make book`` and the making of one chapter share."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from sphinx.util import logging

import paper
import xlgen
from paper import notebook, schedule
from xlgen.core.config import digest
from xlgen.core.errors import UnknownName

log = logging.getLogger(__name__)

FOLDER = "notebooks"
ALONE = "XLGEN_ALONE"
"""Environment variable of a build that executes nothing."""
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "matplotlib")


def live_parameters(
    sources: Iterable[Path], parameters: Mapping[str, Mapping[str, Any]], live: str
) -> dict[str, dict[str, Any]]:
    """The chapters' parameters, with ``live`` for those that have such a parameter, unless it is empty."""
    given = {name: dict(values) for name, values in parameters.items()}
    for source in sources if live else ():
        if "live" in notebook.parameters(source):
            given.setdefault(source.stem, {})["live"] = live
    return given


def first_page(target: Path) -> None:
    """Make the page of one executed chapter, before the others are executed: references to them lead nowhere yet."""
    book = target.parents[1]
    folder = book / "_build" / "first"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toc.yml").write_text(f"format: jb-book\nroot: {FOLDER}/{target.stem}\n", encoding="utf-8")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(book), "--quiet"]
    command += ["--toc", str(folder / "toc.yml"), "--path-output", str(folder)]
    done = subprocess.run(command, env=os.environ | {ALONE: "1"}, capture_output=True)
    page = folder / "_build" / "html" / FOLDER / f"{target.stem}.html"
    if done.returncode == 0 and page.is_file():
        log.info("the first page is there to read while the others are made: %s", page)


def refresh(
    sources: Iterable[Path],
    folder: Path,
    parameters: Mapping[str, Mapping[str, Any]],
    *,
    workers: int = 1,
    expected: Mapping[str, float] = {},  # noqa: B006 (read only)
    first: Callable[[Path], object] = lambda target: None,
) -> list[str]:
    """Execute the chapters whose output in ``folder`` is stale, side by side.

    A chapter that reads what others write into ``folder`` comes after all of these, and whether it is stale is asked
    then. Evidence for the ledger goes to ``folder/ledger``.

    Args:
        sources: the chapters (``.py``), in the order of the book.
        folder: where the executed notebooks are.
        parameters: by name of the chapter, what replaces its defaults.
        workers: chapters executed side by side.
        expected: by name of the chapter, the seconds that it takes, unless an earlier output says so.
        first: called with the first output.

    Returns:
        The names of the chapters that were executed.

    Raises:
        UnknownName: there is no such chapter or parameter.
        NotebookError: a cell failed; the chapter's earlier output and evidence are still in place.
    """
    library = library_fingerprint()
    chapters = {source.stem: source for source in sources}
    for name, source in chapters.items():
        if not source.is_file():
            raise UnknownName("notebook of _toc.yml", name, (path.stem for path in source.parent.glob("*.py")))
    for name in parameters:
        if name not in chapters:
            raise UnknownName("chapter in xlgen_parameters", name, chapters)
    reading = [
        name
        for name, source in chapters.items()
        for written in ({folder.absolute(), source.absolute().parents[1] / "book" / FOLDER},)
        if any(written & {p, *p.parents} for p in reads(source))
    ]
    executed: list[str] = []
    opening: list[threading.Thread] = []

    def show(task: schedule.Task) -> None:
        if not opening and len(tasks) > 2:
            opening.append(threading.Thread(target=first, args=(task.target,), daemon=True))
            opening[0].start()

    for group in ([name for name in chapters if name not in reading], *([name] for name in reading)):
        tasks = []
        for name in group:
            given = dict(parameters.get(name, {}))
            facts = {"fingerprint": fingerprint(chapters[name], given, library), "parameters": given}
            before = stored(target := folder / f"{name}.ipynb")
            if before.get("fingerprint") != facts["fingerprint"]:
                seconds = before.get("seconds", expected.get(name, schedule.Task.expected))
                tasks.append(schedule.Task(chapters[name], target, given, folder / "ledger", facts, seconds))
        if tasks:
            schedule.execute(schedule.longest_first(tasks), min(workers, len(tasks)), log.info, show)
        executed += [task.name for task in tasks]
    for thread in opening:
        thread.join()
    return executed


def reads(source: Path) -> list[Path]:
    """The folders that a chapter reads, by the tags ``reads:folder`` of its cells."""
    tags = {tag for cell in notebook.read(source).cells for tag in cell.metadata.get("tags", [])}
    top = source.absolute().parents[1]
    return [top / tag.removeprefix("reads:") for tag in sorted(tags) if tag.startswith("reads:")]


def refresh_one(name: str) -> Path:
    """Execute one chapter for the book of this checkout if its output is stale; its path there.

    Raises:
        UnknownName: no such chapter.
        NotebookError: as :func:`refresh`.
    """
    source, book = notebook.find(name), notebook.root() / "book"
    settings = yaml.safe_load((book / "_config.yml").read_text(encoding="utf-8"))
    given = settings["sphinx"]["config"].get("xlgen_parameters", {}).get(source.stem, {})
    refresh([source], book / FOLDER, {source.stem: given})
    return book / FOLDER / f"{source.stem}.ipynb"


def fingerprint(source: Path, given: Mapping[str, Any], library: str) -> str:
    """Hash of all that a chapter's output depends on: its cells, its parameters, the library and the packages.

    Each tag ``reads:folder`` of a cell adds the ``.py`` and ``.json`` files in a folder of the checkout, by their names
    and contents.
    """
    read, top = notebook.read(source).cells, source.absolute().parents[1]
    inside = (path for folder in reads(source) for path in sorted(folder.rglob("[!.]*")))
    files = [path for path in inside if path.suffix in (".py", ".json")]
    contents = [[path.relative_to(top).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()] for path in files]
    cells = [[cell.cell_type, cell.source, cell.metadata] for cell in read]
    return digest([cells, dict(given), library, contents])


def library_fingerprint() -> str:
    """Hash of every file of the packages (code, lexicons, encoder, tables) and of the versions that they run on."""
    versions = {name: metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    total = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
    for package in (Path(xlgen.__file__).parent, Path(paper.__file__).parent):
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.name != Path(__file__).name:
                total.update(path.relative_to(package.parent).as_posix().encode() + b"\0")
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def stored(path: Path) -> dict[str, Any]:
    """What :func:`paper.notebook.execute` wrote about an executed notebook; empty if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["xlgen"]
    except (OSError, ValueError, KeyError):
        return {}
