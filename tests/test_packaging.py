"""What a fresh machine gets: requirements, files of the package, and the two commands that everything hangs on."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import xlgen

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CORE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]

DISTRIBUTIONS = {"yaml": "PyYAML", "IPython": "ipykernel", "sphinx": "jupyter-book", "docutils": "jupyter-book"}
"""Modules whose distribution is named otherwise, or comes with another one."""
DISTRIBUTIONS |= {"sphinx_external_toc": "jupyter-book", "myst_nb": "jupyter-book", "pybtex": "jupyter-book"}
DISTRIBUTIONS |= {"packaging": "pytest", "bs4": "beautifulsoup4", "sklearn": "scikit-learn"}
DISTRIBUTIONS |= {"vl_convert": "vl-convert-python", "markdown_it": "markdown-it-py"}
NOT_INSTALLABLE = {"curvlinops"}
"""Peers of the benchmarks that drag in what breaks others: see benchmarks/peers.txt."""


def requirements(lines) -> dict[str, str]:
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in parsed}


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return requirements(line for line in lines if line and not line.startswith("#"))


def tracked() -> list[Path]:
    """Files that are, or would be, under version control."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.split("\0") if (ROOT / name).is_file()]


# Requirements


def test_conda_and_pip_ask_for_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert [line for line in pip if line.startswith("-")] == ["-c constraints.txt", "-e ."]
    listed = [line for line in pip if not line.startswith("-")]
    assert requirements(listed) == requirements([*CORE, *EXTRAS["book"], *EXTRAS["test"]])
    assert len(listed) == len(requirements(listed))
    assert f"python{PROJECT['project']['requires-python']}" in environment["dependencies"]


def test_every_requirement_has_one_exact_version_within_its_range():
    pins = constraints()
    for line in [*CORE, *EXTRAS["book"], *EXTRAS["test"]]:
        requirement = Requirement(line)
        pin = pins[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(pin), line


def test_constraints_are_exact_and_of_no_machine_or_index():
    for name, pin in constraints().items():
        assert re.fullmatch(r"==[\w.]+", pin), f"{name}{pin}"
        assert Version(pin.removeprefix("==")).local is None
    for name in ("constraints.txt", "pyproject.toml", "environment.yml", "Makefile", ".ci/run"):
        assert not re.search(r"index-url|find-links|https?://|@ file", (ROOT / name).read_text(encoding="utf-8")), name


def imported(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports, at its top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    return (
        {name.split(".")[0] for name in names}
        - set(sys.stdlib_module_names)
        - {"xlgen", "paper", "pretraining", "benchmarks"}
    )


def declared(*groups) -> set[str]:
    return {name for group in groups for name in requirements(group)}


@pytest.mark.parametrize("folder", ["xlgen", "paper", "pretraining", "tests", "notebooks", "benchmarks"])
def test_what_is_imported_is_required(folder):
    local = {path.stem for path in (ROOT / "tests").rglob("*.py")}
    for path in (ROOT / folder).rglob("*.py"):
        groups = [CORE] if folder == "xlgen" else [CORE, *EXTRAS.values()]
        for module in imported(path) - (local if folder == "tests" else set()) - NOT_INSTALLABLE:
            distribution = canonicalize_name(DISTRIBUTIONS.get(module, module))
            assert distribution in declared(*groups), f"{path.relative_to(ROOT)} imports {module}"


def test_importing_the_package_is_free():
    code = "import sys, xlgen; assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


# Files


def test_every_file_of_the_package_is_installed():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    packages = (ROOT / "xlgen", ROOT / "paper")
    for path in (path for path in tracked() if any(map(path.is_relative_to, packages)) and path.suffix != ".py"):
        folder = path.parent
        while not (folder / "__init__.py").is_file():
            folder = folder.parent
        package = ".".join(folder.relative_to(ROOT).parts)
        name = path.relative_to(folder).as_posix()
        wanted = [*patterns.get(package, ()), *(p for p in patterns["*"] if "/" not in name)]
        assert any(fnmatch(name, pattern) for pattern in wanted), path.relative_to(ROOT)


def test_no_file_knows_the_machine_that_it_was_written_on():
    folders = "|".join(("work", "root", "tmp", "home", "Users"))
    machine = re.compile(rf"(?<![\w.~}}\])-])/(?:{folders})/[\w.]")
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        assert not (found := machine.search(text)), f"{path.relative_to(ROOT)}: {found[0]}"


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert xlgen.__version__ == PROJECT["project"]["version"] == citation["version"]


def test_the_citation_names_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    bibliography = " ".join((ROOT / "book" / "references.bib").read_text(encoding="utf-8").split())
    plain = bibliography.replace("{", "").replace("}", "")
    assert len(citation["references"]) >= 3
    for reference in citation["references"]:
        assert reference["title"] in plain
    assert citation["license"] == PROJECT["project"]["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


# Commands


def test_the_console_script_exists():
    module, function = PROJECT["project"]["scripts"]["xlgen"].split(":")
    assert callable(getattr(import_module(module), function))


def make(*arguments: str) -> subprocess.CompletedProcess:
    if not shutil.which("make"):
        pytest.skip("needs make")
    return subprocess.run(["make", "-C", str(ROOT), *arguments], capture_output=True, text=True)


def test_an_old_python_is_refused_in_words(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1 || exit 1\n')
    old.chmod(0o755)
    done = make("book", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert f"xlgen needs Python 3.11 or newer; {old} is Python 3.9.1." in done.stdout
    assert not (tmp_path / "venv").exists()


def test_the_environment_is_made_once_for_each_set_of_requirements(tmp_path):
    venv = tmp_path / "venv"
    venv.mkdir()
    assert "-m venv" in make("-n", "book", f"VENV={venv}").stdout
    wanted = re.search(r"touch (\S+)", make("-n", "book", f"VENV={venv}").stdout)[1]
    Path(wanted).touch()
    commands = make("-n", "book", f"VENV={venv}").stdout
    assert "-m venv" not in commands and "jupyter-book build -W --keep-going book/" in commands
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    (tmp_path / "pyproject.toml").write_text("changed")
    assert "-m venv" in make("-n", "-C", str(tmp_path), "book", f"VENV={venv}").stdout
