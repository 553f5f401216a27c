"""What others read from a repository: how to cite it, and the files of Binder, Colab and NeuroLibre."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pybtex.database import parse_file, parse_string

from paper import citation
from paper.sphinxext import launch_with_an_address

ROOT = Path(__file__).resolve().parents[2]
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_bibtex_entry_agrees_with_the_citation_file():
    ((key, entry),) = parse_string(citation.bibtex(ROOT / "CITATION.cff"), "bibtex").entries.items()
    assert (key, entry.type) == ("xlgen", CFF["type"])
    assert entry.fields["title"].strip("{}") == CFF["title"] and entry.fields["version"] == CFF["version"]
    assert [str(person).strip("{}") for person in entry.persons["author"]] == [a["name"] for a in CFF["authors"]]


def test_people_and_a_release_are_in_the_bibtex_entry(tmp_path):
    released = {"title": "T", "type": "article", "version": "1", "date-released": "2031-05-01", "doi": "10.1/x"}
    people = [{"family-names": "de la Cruz", "given-names": "Ana"}, {"name": "The A and B group"}]
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(released | {"authors": people}), encoding="utf-8")
    (entry,) = parse_string(citation.bibtex(tmp_path / "CITATION.cff"), "bibtex").entries.values()
    assert (entry.type, entry.fields["year"], entry.fields["doi"]) == ("article", "2031", "10.1/x")
    assert [str(person) for person in entry.persons["author"]] == ["de la Cruz, Ana", "{The A and B group}"]


@pytest.mark.parametrize("url", ["", "https://github.com/someone/xlgen"])
def test_launch_buttons_appear_with_an_address_and_only_then(url, tmp_path):
    from jupyter_book.config import get_final_config

    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert config["repository"]["url"] == ""
    config["repository"]["url"] = url
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    made = tmp_path / "_config.yml"
    final, _ = get_final_config(
        user_yaml=made, cli_config={"latex_individualpages": False}, sourcedir=ROOT / "book", raise_on_invalid=True
    )
    options = final["html_theme_options"]
    assert {"binderhub_url", "colab_url"} <= set(options["launch_buttons"])
    launch_with_an_address(None, SimpleNamespace(html_theme_options=options))
    assert bool(options["launch_buttons"]) is bool(url)  # without an address the theme would fail
    assert options.get("repository_url", "") == url and options.get("path_to_docs", "") == ""


def test_binder_installs_the_book_in_the_tested_versions():
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    constraints, package = (line for line in lines if not line.startswith("#"))
    assert (ROOT / "binder" / constraints.removeprefix("-c ")).resolve() == ROOT / "constraints.txt"
    assert package == "-e .[book]"
    version = (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    assert f"Programming Language :: Python :: {version}" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_neurolibre_finds_the_book_and_the_paper():
    assert all((ROOT / "content" / name).is_file() for name in ("_config.yml", "_toc.yml", "start.md"))
    head, text = (ROOT / "paper.md").read_text(encoding="utf-8").split("---\n", 2)[1:]
    facts = yaml.safe_load(head)
    assert facts["title"] == CFF["title"] and set(facts["tags"]) == set(CFF["keywords"])
    assert [author["name"] for author in facts["authors"]] == [author["name"] for author in CFF["authors"]]
    known = parse_file(str(ROOT / facts["bibliography"])).entries
    cited = set(re.findall(r"@([\w-]+)", text))
    assert cited and cited <= set(known)
