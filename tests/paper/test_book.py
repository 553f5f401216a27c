"""The book's configuration, its pages, and the extension that executes what is out of date."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import papermill
import pytest
import torch
import yaml
from torch import nn

import paper
import xlgen
from paper import notebook, sphinxext, stale
from paper.cli import parser
from xlgen.core.errors import UnknownName
from xlgen.data.batch import Batch
from xlgen.data.catalogue import TASKS
from xlgen.measures import MEASURES
from xlgen.measures.base import Predictions, Subject
from xlgen.models.catalogue import MODELS
from xlgen.objectives import OBJECTIVES, Step, create
from xlgen.training.presets import config_for

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PAGES = sorted(BOOK.glob("*.md"))
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))


def toc() -> list[str]:
    tree = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [tree["root"], *(chapter["file"] for part in tree["parts"] for chapter in part["chapters"])]


def prose(path: Path) -> str:
    """The Markdown of a page or a chapter."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n".join(cell.source for cell in notebook.read(path).cells if cell.cell_type == "markdown")


texts = pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=lambda path: path.stem)


# Configuration


def test_every_page_and_chapter_is_in_the_contents():
    assert {path.stem for path in PAGES} | {f"notebooks/{path.stem}" for path in SOURCES} <= set(toc())


# Text


def citation_keys() -> set[str]:
    return set(re.findall(r"^@\w+\{(\S+),$", (BOOK / "references.bib").read_text(encoding="utf-8"), re.M))


@texts
def test_cited_works_are_in_the_bibliography(path):
    cited = {key.strip() for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", prose(path)) for key in keys.split(",")}
    assert cited <= citation_keys()


def test_works_named_in_the_code_are_in_the_bibliography():
    named = {
        key
        for path in (*(ROOT / "xlgen").rglob("*.py"), *(ROOT / "xlgen").rglob("*.csv"))
        for key in re.findall(r"\b[a-z]{3,}(?:19|20)\d\d[a-z]+\b", path.read_text(encoding="utf-8") + path.stem)
    }
    assert named <= citation_keys()


def test_bibliography_entries_are_complete():
    from pybtex.database import parse_file

    entries = parse_file(str(BOOK / "references.bib")).entries
    assert set(entries) == citation_keys()
    for key, entry in entries.items():
        assert {"title", "year"} <= set(entry.fields) and entry.persons["author"], key
        assert key.startswith(entry.persons["author"][0].last_names[0].strip("{").lower()[:3]), key
        assert entry.fields["year"] in key, key


@texts
def test_numbers_of_other_pages_are_glued_with_a_format(path):
    for reference in re.findall(r"\{glue:text\}`([^`]+::[^`]+)`", prose(path)):
        assert re.fullmatch(r"notebooks/\w+\.ipynb::[\w-]+:\S+", reference), f"{reference} needs :s or a number format"


@pytest.mark.parametrize(
    "path", [*PAGES, *SOURCES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.stem
)
def test_commands_on_the_pages_are_understood(path):
    text = prose(path).replace("\\\n", " ")  # commands of several lines
    for block in re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", text, re.M | re.S):
        for line in re.findall(r"^(?:\$ )?(xlgen .+)$", block, re.M):
            typed = re.split(r" [|>] ", line)[0]  # what is piped elsewhere is the other's
            parser().parse_args(shlex.split(typed, comments=True)[1:])
    for line in re.findall(r"(?:^|(?<=`))papermill [^`\n]*notebooks/[^`\n]*", text, re.M):
        words = shlex.split(line, comments=True)
        for chapter in (word for word in words if word.startswith("notebooks/")):
            if not (ROOT / chapter).with_suffix(".py").is_file():
                pytest.fail(f"{chapter} in `{line}` does not exist")
            known = papermill.inspect_notebook(str(ROOT / chapter))
            given = {words[i + 1] for i, word in enumerate(words) if word in ("-p", "-r")}
            assert given <= set(known), line


def test_notation_names_identifiers_of_the_code():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "xlgen").rglob("*.py"))
    rows = re.findall(r"^\| .*\|$", (BOOK / "notation.md").read_text(encoding="utf-8"), re.M)
    identifiers = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[2])}
    assert len(identifiers) > 20
    assert not [name for name in identifiers if not re.search(rf"\b{name}\b", code)]


# The examples of extending.md


def example(name: str, folder: Path):
    """Import the code block ``name`` of extending.md as a module."""
    page = (BOOK / "extending.md").read_text(encoding="utf-8")
    block = re.search(rf"```\{{code-block\}} python\n:name: example-{name}\n:caption: [^\n]*\n\n(.*?)```", page, re.S)
    path = folder / f"example_{name}.py"
    path.write_text(block[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look the module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    """What a test registers is forgotten after it."""
    for registry in (OBJECTIVES, MEASURES, TASKS, MODELS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return SimpleNamespace(logits=self.layer(x))


def test_the_example_of_an_objective_trains(tmp_path):
    example("objective", tmp_path)
    draw = torch.Generator().manual_seed(1)
    batch = Batch({"x": torch.randn(6, 4, generator=draw)}, torch.arange(6) % 3, torch.arange(6))
    gradients = {}
    for name, hyper in (("baseline", {}), ("smoothing", {"alpha": "0"}), ("smoothing", {"alpha": 0.5})):
        model = Linear()
        logs = create(name, hyper).gradient(model, [batch], Step())
        gradients[name, str(hyper.get("alpha", ""))] = model.layer.weight.grad
        assert logs["loss"] > 0
    assert torch.equal(gradients["smoothing", "0"], gradients["baseline", ""])
    assert not torch.allclose(gradients["smoothing", "0.5"], gradients["baseline", ""])
    with pytest.raises(Exception, match=r"alpha is 1; expected a share in \[0, 1\)"):
        create("smoothing", {"alpha": 1})


def test_the_example_of_a_measure_measures(tmp_path):
    example("measure", tmp_path)
    subject = Subject(Linear(), {"en": [], "de": []})
    undecided, decided = torch.zeros(8, 3).double(), torch.eye(3).double()[torch.arange(8) % 3] * 50
    labels = torch.zeros(8, dtype=torch.long)
    subject.predictions = {"en": Predictions(undecided, labels), "de": Predictions(decided, labels)}
    values = MEASURES["gini"](subject)
    assert values["en"].value == pytest.approx(2 / 3) and values["en"].stderr < 1e-12
    assert values["de"].value == pytest.approx(0, abs=1e-12) and values["de"].n == 8


def test_the_example_of_a_task_reads_its_files(tmp_path):
    example("task", tmp_path)
    for language in ("en", "is", "fo"):
        folder = tmp_path / "my-nli" / language
        folder.mkdir(parents=True)
        lines = ["premise\thypothesis\tlabel", *(f"a {y}\tb\t{y}" for y in TASKS["my-nli"].labels)]
        (folder / "dev.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = TASKS["my-nli"].rows("fo", "dev", tmp_path)
    assert rows.labels == (0, 1, 2) and rows.first[2] == "a contradiction"


def test_the_example_of_a_model_sets_its_learning_rate(tmp_path):
    example("model", tmp_path)
    assert config_for("small", model="owner/my-encoder").lr == 1e-5


# What is out of date

CHAPTER = '# %% [markdown]\n# # Title\n\n# %% tags=["parameters"]\nn: int = 2  # count\n\n# %%\nprint(n)\n'


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("one", "two"):
        (tmp_path / "notebooks" / f"{name}.py").write_text(CHAPTER)
    return tmp_path


def test_staleness_is_decided_by_content(checkout):
    source = checkout / "notebooks" / "one.py"
    first = stale.fingerprint(source, {}, "library")
    os.utime(source, (1, 1))
    assert stale.fingerprint(source, {}, "library") == first
    assert stale.fingerprint(source, {"n": 3}, "library") != first
    assert stale.fingerprint(source, {}, "changed library") != first
    for change in (("Title", "Other title"), ("print(n)", "print(n + 1)"), ('tags=["parameters"]', "")):
        source.write_text(CHAPTER.replace(*change))
        assert stale.fingerprint(source, {}, "library") != first, change


def test_a_chapter_is_stale_when_a_file_that_it_reads_is(checkout):
    source, folders = (
        checkout / "notebooks" / "one.py",
        [checkout / "records", checkout / "book" / "notebooks" / "ledger"],
    )
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "a.json").write_text("{}")
    source.write_text(CHAPTER.replace("# %%\n", '# %% tags=["reads:records", "reads:book/notebooks/ledger"]\n'))
    print_of = lambda: stale.fingerprint(source, {}, "library")  # noqa: E731
    seen = [print_of()]
    for folder in folders:
        os.utime(folder / "a.json", (1, 1))
        (folder / "notes.txt").write_text("not read")
        assert print_of() == seen[-1]
        (folder / "a.json").write_text("[]")
        seen.append(print_of())
        (folder / "a.json").rename(folder / "b.json")
        seen.append(print_of())
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_chapter_that_reads_records_is_stale_when_they_change(source):
    cells = notebook.read(source).cells
    asked = r"records\.(obtain|recorded)\(|beside_real\("
    reads = any(cell.cell_type == "code" and re.search(asked, cell.source) for cell in cells)
    assert reads == any("reads:records" in cell.metadata.get("tags", []) for cell in cells)


def test_the_ledger_is_executed_after_the_others_and_reads_what_they_wrote(tmp_path, executed):
    sources = [ROOT / f"{page}.py" for page in toc() if page.startswith("notebooks/")]
    done = stale.refresh(sources, tmp_path / "notebooks", {})
    assert done[-1] == "ledger" and sorted(done) == sorted(source.stem for source in sources)
    assert done[:-1] == [source.stem for source in sources if source.stem != "ledger"]


def test_the_librarys_fingerprint_covers_code_data_and_versions(tmp_path, monkeypatch):
    package = tmp_path
    files = ("xlgen/__init__.py", "xlgen/data/mini/lexicons/en.txt", "xlgen/data/mini/encoder/model.safetensors")
    files += ("paper/published/table.csv",)
    for name in files:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    for module in (xlgen, paper):
        monkeypatch.setattr(module, "__file__", str(package / module.__name__ / "__init__.py"))
    seen = [stale.library_fingerprint()]
    (package / "xlgen" / "__pycache__").mkdir()
    (package / "xlgen" / "__pycache__" / "x.pyc").write_text("x")
    os.utime(package / files[0], (1, 1))
    assert stale.library_fingerprint() == seen[0]
    for name in files:
        (package / name).write_text("changed")
        seen.append(stale.library_fingerprint())
    (package / files[1]).rename(package / "xlgen/data/mini/lexicons/de.txt")
    seen.append(stale.library_fingerprint())
    monkeypatch.setattr(stale.metadata, "version", lambda name: "0.0")
    seen.append(stale.library_fingerprint())
    assert len(set(seen)) == len(seen)


@pytest.fixture
def executed(monkeypatch):
    """Executions are recorded rather than done."""
    done = []

    def execute(source, target, given, evidence, **facts):
        done.append((source.stem, given))
        if "writes" in source.read_text():  # evidence that depends on the chapter's text alone
            evidence.mkdir(parents=True, exist_ok=True)
            (evidence / f"{source.stem}.json").write_text(source.read_text())
        target.parent.mkdir(exist_ok=True)
        facts = {"seconds": 1.0, **facts}
        target.write_text(stale.json.dumps({"metadata": {"xlgen": facts}}))
        return SimpleNamespace(metadata=SimpleNamespace(xlgen=SimpleNamespace(**facts)))

    monkeypatch.setattr(notebook, "execute", execute)
    return done


def test_only_what_is_stale_is_executed(checkout, executed):
    sources = [checkout / "notebooks" / f"{name}.py" for name in ("two", "one")]
    folder = checkout / "book" / "notebooks"
    folder.parent.mkdir()
    refresh = lambda parameters=(): stale.refresh(sources, folder, dict(parameters))  # noqa: E731
    assert refresh() == ["two", "one"]
    assert refresh() == []
    assert refresh({"one": {"n": 5}}) == ["one"] and executed[-1] == ("one", {"n": 5})
    sources[0].write_text(CHAPTER + "# a comment\n")
    assert refresh({"one": {"n": 5}}) == ["two"]
    (folder / "two.ipynb").write_text("half a noteb")
    assert refresh({"one": {"n": 5}}) == ["two"]
    (folder / "two.ipynb").unlink()
    assert refresh() == ["two", "one"]


def test_what_a_chapter_rewrites_is_read_by_a_later_one_in_the_same_build(checkout, executed):
    one, two = (checkout / "notebooks" / f"{name}.py" for name in ("one", "two"))
    one.write_text(CHAPTER + "# writes\n")
    two.write_text(CHAPTER.replace("# %%\n", '# %% tags=["reads:book/notebooks/ledger"]\n'))
    folder = checkout / "book" / "notebooks"
    folder.parent.mkdir()
    assert stale.refresh([one, two], folder, {}) == ["one", "two"]
    assert [path.name for path in (folder / "ledger").iterdir()] == ["one.json"]
    assert stale.refresh([one, two], folder, {}) == []
    one.write_text(CHAPTER + "# writes something else\n")
    assert stale.refresh([one, two], folder, {}) == ["one", "two"]
    (folder / "one.ipynb").unlink()
    assert stale.refresh([one, two], folder, {}) == ["one"]  # the same evidence once more


def test_unknown_chapters_are_answered_with_a_suggestion(checkout, executed):
    sources = [checkout / "notebooks" / f"{name}.py" for name in ("one", "tow")]
    with pytest.raises(UnknownName, match="'tow'. Did you mean 'two'"):
        stale.refresh(sources, checkout, {})
    with pytest.raises(UnknownName, match="xlgen_parameters 'ones'. Did you mean 'one'"):
        stale.refresh(sources[:1], checkout, {"ones": {}})
    assert not executed


def test_pages_that_may_quote_a_changed_chapter_are_read_again():
    env = SimpleNamespace(found_docs={"start", "running", "notebooks/one", "notebooks/two"})
    outdated = lambda added, changed: set(sphinxext.outdated_by_notebooks(None, env, added, changed, set()))  # noqa: E731
    assert outdated(set(), {"notebooks/one"}) == {"start", "running", "notebooks/two"}
    assert outdated({"notebooks/one"}, {"start"}) == {"running", "notebooks/two"}
    assert outdated(set(), {"start"}) == set() == outdated(set(), set())


# The build

QUOTING = "# Start\n{glue:text}`notebooks/one.ipynb::one-n:s` times, see {cite:t}`foret2021sam`. $a^2$\n"


def build(checkout: Path) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [str(Path(sys.executable).with_name("jupyter-book")), "build", "-W", "--keep-going", "book/"],
        cwd=checkout,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "NO_COLOR": "1"},
    )


def table(html: Path, number: int) -> str:
    return (html / "end.html").read_text(encoding="utf-8").split("<tbody>")[number].split("</tbody>")[0]


def test_one_command_builds_an_offline_book_and_a_failure_ends_it_with_its_error(checkout):
    book = checkout / "book"
    shutil.copytree(BOOK / "_static", book / "_static")
    shutil.copy(BOOK / "references.bib", book)
    settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    settings["sphinx"]["config"] |= {"xlgen_parameters": {}, "xlgen_seconds": {}}  # this book has other chapters
    (book / "_config.yml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    (book / "_toc.yml").write_text("format: jb-book\nroot: start\nchapters:\n- file: notebooks/one\n- file: end\n")
    (book / "start.md").write_text(QUOTING)
    house = "".join(f"```{{house}} {view}\n```\n" for view in ("picture", "rooms", "walk", "concepts"))
    (book / "end.md").write_text("# End\n```{execution-times}\n```\n```{bibliography}\n```\n" + house)
    for package in ("xlgen", "paper", "pretraining"):  # the house is read from the checkout that the book lies in
        (checkout / package).symlink_to(ROOT / package)
    chapter = CHAPTER + '\n# %%\nfrom myst_nb import glue\n\nglue("one-n", str(n), display=False)\n'
    (checkout / "notebooks" / "one.py").write_text(chapter)

    first = build(checkout)
    assert first.returncode == 0, first.stdout + first.stderr
    said = r"executing 1/1: one; none left\nexecuted 1/1: one in \d+ s; none left"
    assert re.search(said, first.stdout)
    html = book / "_build" / "html"
    start = (html / "start.html").read_text(encoding="utf-8")
    assert '<span class="pasted-text">2</span> times' in start and "Foret" in start
    assert 'src="_static/mathjax/MathJax.js' in start and "text/x-mathjax-config" in start
    assert (html / "_static" / "mathjax" / "config" / sphinxext.MATHJAX["config"][0]).is_file()
    assert not re.search(r'<(script|link)[^>]*(src|href)="https?:', start), "a page needs the network"
    assert re.search(r'href="notebooks/one.html"[^>]*><span[^>]*>Title</span></a></p></td>', table(html, 1))
    for name in sphinxext.house.rooms(ROOT):
        assert f">{name}</text>" in (html / "end.html").read_text(encoding="utf-8")
        assert f'<span class="pre">{name}</span>' in table(html, 2)
    assert table(html, 3).count("<tr") == len(sphinxext.house.STEPS) and table(html, 4).count("<tr") == 12
    output = (book / "notebooks" / "one.ipynb").read_bytes()

    (checkout / "notebooks" / "one.py").write_text(chapter.replace("print(n)", 'raise ValueError("on purpose")'))
    second = build(checkout)
    assert second.returncode != 0
    assert second.stderr.rstrip().splitlines()[-1].endswith("ValueError: on purpose")
    assert (book / "notebooks" / "one.ipynb").read_bytes() == output
