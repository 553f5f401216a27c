"""The chapters keep the book's conventions, and the machinery runs notebooks as it says."""

import ast
import json
import os
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from paper import chapters as paper_chapters
from paper import notebook
from xlgen.core.errors import ConfigError, UnknownName, XlgenError
from xlgen.core.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("*.py"))
chapters = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

TINY = """\
# %% [markdown]
# # A page

# %% tags=["parameters"]
n: int = 2  # points [count]
word: str = "none"  # what is printed

# %%
print(n * 21, word)

# %% mystnb={"figure": {"name": "fig-tiny", "caption": "x"}, "image": {"alt": "y"}} tags=["hide-input"]
print("again")

# %%
print("again")
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one chapter."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").write_text("")
    source = tmp_path / "notebooks" / "tiny.py"
    source.write_text(TINY)
    monkeypatch.setattr(notebook, "root", lambda: tmp_path)
    return source


def printed(path: Path) -> str:
    return "".join(
        output["text"]
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    )


# The chapters


@chapters
def test_the_pair_is_in_step(source):
    committed = source.with_suffix(".ipynb")
    assert committed.is_file(), "run `make notebooks`"
    assert committed.read_text(encoding="utf-8") == notebook.text(notebook.read(source)), "run `make notebooks`"


def test_no_notebook_without_source():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} <= {source.stem for source in SOURCES}


@chapters
def test_committed_notebooks_hold_no_output(source):
    for cell in json.loads(source.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@chapters
def test_every_parameter_is_documented(source):
    found = papermill.inspect_notebook(str(source.with_suffix(".ipynb")))
    assert found, "no cell tagged `parameters`"
    for name, parameter in found.items():
        assert parameter["help"], f"{name} has no comment"
        assert parameter["inferred_type_name"] != "None", f"{name} has no type"


@chapters
def test_the_parameters_cell_holds_annotated_literals_only(source):
    (cell,) = [cell for cell in notebook.read(source).cells if "parameters" in cell.metadata.get("tags", [])]
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign), ast.unparse(statement)
        ast.literal_eval(statement.value)


@chapters
def test_every_figure_has_name_caption_and_alternative_text(source):
    for cell in notebook.read(source).cells:
        options = cell.metadata.get("mystnb", {})
        draws = cell.cell_type == "code" and re.search(r"plt\.show\(|^fig(ure)?, .*subplots\(", cell.source, re.M)
        if draws or options:
            figure, image = options.get("figure", {}), options.get("image", {})
            assert figure.get("name", "").startswith("fig-"), cell.source
            assert figure.get("caption") and image.get("alt"), figure["name"]


def lost(source: str) -> list[str]:
    """Names of what a cell makes for the page and then drops, because its last line alone is shown."""
    statements = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))).body
    calls = [s.value for s in statements[:-1] if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    functions = [
        getattr(paper_chapters, c.func.attr, None) for c in calls if ast.unparse(c.func).startswith("chapters.")
    ]
    return [f.__name__ for f in functions if f and "HTML" in str(f.__annotations__.get("return"))]


@chapters
def test_no_table_is_made_and_dropped(source):
    for cell in notebook.read(source).cells:
        if cell.cell_type == "code":
            assert not lost(cell.source), cell.source


def test_a_table_before_the_last_line_is_dropped():
    assert lost("chapters.table((), (), 'x')\nsay(n=1)") == ["table"]
    assert not lost("say(n=1)\nchapters.table((), (), 'x')")
    assert not lost("display(chapters.table((), (), 'x'))\nsay(n=1)")


def test_figures_and_labels_are_unique_in_the_book():
    names = [
        name
        for source in SOURCES
        for cell in notebook.read(source).cells
        for name in [
            *([cell.metadata.mystnb.figure.name] if "figure" in cell.metadata.get("mystnb", {}) else []),
            *re.findall(r"^\s*:(?:label|name): (\S+)|^\((\S+)\)=$", cell.source, re.M),
        ]
    ]
    assert len(names) == len(set(map(str, names)))


@chapters
def test_glued_keys_start_with_the_chapter(source):
    for cell in notebook.read(source).cells:
        if cell.cell_type == "code":
            for key in re.findall(r"\bglue\(\s*f?\"([^\"]+)\"", cell.source):
                assert key.startswith(f"{source.stem}-"), key


@chapters
def test_a_chapter_says_what_one_learns_and_what_to_try(source):
    cells = notebook.read(source).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert cells[0].source.startswith("# ")
    goals = re.search(r"\{admonition\} What you will learn\n(.*?)```", prose, re.S)
    assert goals and len(re.findall(r"^- ", goals[1], re.M)) == 3
    assert "What we learnt" in prose and "Your turn" in prose
    assert f"papermill notebooks/{source.stem}.ipynb" in prose


# The machinery


def test_the_pair_depends_on_the_text_alone(checkout):
    first = notebook.text(notebook.read(checkout))
    assert notebook.text(notebook.read(checkout)) == first
    ids = [cell.id for cell in notebook.read(checkout).cells]
    assert len(set(ids)) == len(ids) == 5  # two cells have the same text
    checkout.write_text(TINY.replace("n * 21", "n * 22"))
    changed = [cell.id for cell in notebook.read(checkout).cells]
    assert [a == b for a, b in zip(ids, changed, strict=True)] == [True, True, False, True, True]


def test_only_tags_and_mystnb_are_kept_of_a_cells_metadata(checkout):
    checkout.write_text(
        TINY.replace('tags=["parameters"]', 'tags=["parameters"] slideshow={"a": 1}') + "\n\n\n\n# %%\n1"
    )
    kept = [set(cell.metadata) for cell in notebook.read(checkout).cells]
    assert kept == [set(), {"tags"}, set(), {"tags", "mystnb"}, set(), set()]


def test_what_one_reader_changes_no_other_sees(checkout):
    first = notebook.read(checkout)
    before = notebook.text(first)
    first.cells[2].source, first.cells[1].metadata.tags[0] = "changed", "changed"
    first.metadata.kernelspec.name = "changed"
    assert notebook.text(notebook.read(checkout)) == before


def test_sync_writes_what_is_not_up_to_date(checkout):
    pair = checkout.with_suffix(".ipynb")
    assert notebook.sync() == [pair]
    assert notebook.sync() == []
    pair.write_text("{}")
    assert notebook.sync() == [pair]
    assert json.loads(pair.read_text())["metadata"]["kernelspec"]["name"] == "python3"


def test_run_uses_the_given_parameters(checkout, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    out = notebook.run("tiny", {"n": 3, "word": "some"})
    assert out.parent == tmp_path / "build" / "notebooks"
    assert printed(out).startswith("63 some")
    executed = nbformat.read(out, as_version=4)
    facts = executed.metadata
    assert facts.papermill.parameters == {"n": 3, "word": "some"}
    (injected,) = (c for c in executed.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert "hide-input" in injected.metadata.tags
    assert facts.papermill.input_path == "notebooks/tiny.py" and facts.xlgen.seconds >= 0
    assert str(tmp_path) not in out.read_text(), "an executed notebook tells where it was executed"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sockets that are files")
def test_a_kernel_takes_no_port_that_another_build_may_take(checkout):
    """Kernels of two builds at once chose the same port, and one of them died."""
    cell = '# %%\nimport json, ipykernel\n\nprint(json.loads(ipykernel.get_connection_info())["transport"])\n'
    checkout.write_text(checkout.read_text() + "\n" + cell)
    executed = nbformat.read(notebook.run("tiny", {}), as_version=4)
    assert executed.cells[-1].outputs[0].text == "ipc\n"


def test_other_parameters_go_to_another_file(checkout, monkeypatch):
    monkeypatch.setattr(notebook, "execute", lambda *arguments: None)
    paths = {notebook.run("tiny", given) for given in ({}, {"n": 3}, {"n": 4}, None)}
    assert len(paths) == 3


@pytest.mark.parametrize("name", ["tiny", "notebooks/tiny", "notebooks/tiny.ipynb", "tiny.py"])
def test_a_chapter_has_many_spellings(checkout, name):
    assert notebook.find(name) == checkout


def test_unknown_names_are_answered_with_a_suggestion(checkout):
    with pytest.raises(UnknownName, match="unknown notebook 'tny'. Did you mean 'tiny'"):
        notebook.run("tny")
    with pytest.raises(UnknownName, match="unknown parameter of tiny 'wrd'. Did you mean 'word'"):
        notebook.run("tiny", {"wrd": "x"})


def test_a_failing_cell_leaves_the_earlier_output_alone(checkout, tmp_path):
    target = tmp_path / "out.ipynb"
    target.write_text("earlier")
    checkout.write_text(TINY.replace('print("again")', 'raise ValueError("one\\ntwo")', 1))
    with pytest.raises(
        notebook.NotebookError, match=r"tiny failed in cell 3 .*out.failed.ipynb.*: ValueError: one"
    ) as e:
        notebook.execute(checkout, target, {}, tmp_path / "ledger")
    assert e.value.trace.endswith("ValueError: one\ntwo") and "\x1b" not in e.value.trace
    assert target.read_text() == "earlier"
    assert "42 none" in printed(tmp_path / "out.failed.ipynb")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "_toc.yml",
        "notebooks",
        "out.failed.ipynb",
        "out.ipynb",
    ]


def test_root_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert notebook.root() == ROOT
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").write_text("")
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.setattr(notebook, "__file__", str(tmp_path / "site-packages" / "paper" / "notebook.py"))
    monkeypatch.chdir(inside)
    assert notebook.root() == tmp_path
    (tmp_path / "_toc.yml").unlink()
    with pytest.raises(XlgenError, match="change to a checkout"):
        notebook.root()


def test_shows_error_prints_one_line(capsys):
    with notebook.shows_error():
        Registry("colour")["red"]
    assert capsys.readouterr().out.startswith("UnknownName: unknown colour 'red'.")
    with pytest.raises(AssertionError, match="there was none"), notebook.shows_error():
        pass
    with pytest.raises(ZeroDivisionError), notebook.shows_error():
        raise ZeroDivisionError


def test_provenance_names_parameters_runs_and_versions():
    shown = notebook.provenance(["0123456789abcdef", "fedcba9876543210"], {"n": 3, "words": "a b"}).data
    assert "-p n 3 -p words 'a b'" in shown
    assert "Runs (2):** `01234567` `fedcba98`" in shown
    assert "torch 2." in shown and "xlgen 0." in shown


def test_a_picture_is_found_by_its_name(tmp_path):
    import base64

    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    png = base64.b64encode(b"a png").decode()
    cell = new_code_cell("", metadata={"mystnb": {"figure": {"name": "fig-one"}}})
    cell.outputs = [new_output("display_data", {"image/png": png})]
    path = tmp_path / "executed.ipynb"
    nbformat.write(new_notebook(cells=[cell]), path)
    assert notebook.picture(path, "fig-one") == b"a png"
    with pytest.raises(UnknownName, match="Did you mean 'fig-one'"):
        notebook.picture(path, "fig-on")


def test_a_count_of_models_may_be_all(tmp_path):
    source = tmp_path / "page.py"
    source.write_text('# %% tags=["parameters"]\nlive: "int or all" = 1  # models\n')
    assert notebook.typed(source, {"live": "all"}) == {"live": "all"}
    assert notebook.typed(source, {"live": "3"}) == notebook.typed(source, {"live": 3}) == {"live": 3}
    with pytest.raises(ConfigError, match="live is 'most'"):
        notebook.typed(source, {"live": "most"})


TAUGHT = "theory sharpness xnli objectives pawsx l2_ewc frechet fisher tagging frozen stability".split()
TAUGHT += ["which_language", "which_model", "predict"]


@pytest.mark.parametrize("name", TAUGHT)
def test_a_chapter_that_is_taught_asks_before_it_shows_and_checks_a_misconception(name):
    read = notebook.read(ROOT / "notebooks" / f"{name}.py")
    prose = " ".join("\n".join(cell.source for cell in read.cells if cell.cell_type == "markdown").split())
    assert re.search(r"[Bb]efore you (?:look|read on|move)|Guess which", prose)
    (check,) = re.findall(r"```\{admonition\} Concept check: (.+?) True\? :class: dropdown (.+?) ```", prose)
    assert "misconception is that" in check[1] and check[1].startswith("*")
    assert prose.index("What you will learn") < prose.index("Concept check") < prose.index("What we learnt")
