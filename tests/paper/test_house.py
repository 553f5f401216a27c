"""The page on how the project is built shows what is there: every room, every arrow, and a walk that is walked."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import test_arrows

from paper import house

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def rooms():
    return house.rooms(ROOT)


@pytest.fixture(scope="module")
def graph(rooms):
    return house.arrows(rooms)


def reachable(graph: dict[str, set[str]], name: str) -> set[str]:
    return graph[name].union(*(reachable(graph, other) for other in graph[name]))


def test_rooms_and_arrows_are_those_that_the_test_of_arrows_reads(rooms, graph):
    def folded(name: str) -> str:
        return name if name.startswith("xlgen") else name.split(".")[0]

    wanted = {}
    for name, others in test_arrows.rooms(test_arrows.edges()).items():
        wanted.setdefault(folded(name), set()).update(map(folded, others))
    wanted = {
        name: others - {name, "xlgen"} for name, others in wanted.items() if name not in ("xlgen", "xlgen.__main__")
    }
    assert wanted | {"notebooks": graph["notebooks"]} == graph and graph["notebooks"] >= {"paper", "xlgen.analysis"}
    counted = {path for room in rooms.values() for path in room.files if "notebooks" not in path.parts}
    assert counted | {ROOT / "xlgen/__init__.py", ROOT / "xlgen/__main__.py"} == set(test_arrows.MODULES.values())


@pytest.mark.parametrize("line", ["import xlgen.b", "from xlgen.b import x", "from xlgen import b", "import xlgen.b.c"])
def test_every_form_of_an_import_is_an_arrow_also_inside_a_function(tmp_path, line):
    for folder in ("xlgen/a", "xlgen/b", "paper", "pretraining", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text(f'"""The room {folder}."""\n')
    (tmp_path / "xlgen" / "a" / "f.py").write_text(f"def f():\n    {line}\n")
    found = house.rooms(tmp_path)
    assert house.arrows(found) == dict.fromkeys(found, set()) | {"xlgen.a": {"xlgen.b"}}
    assert list(found)[-1] == "xlgen.a" and found["xlgen.a"].about == "The room xlgen/a."


@pytest.mark.parametrize(
    "example",
    [None, {"a": {"b", "c", "d"}, "b": {"d"}, "c": {"d"}, "d": set()}, {"a": {"b", "c"}, "b": {"c"}, "c": set()}],
)
def test_the_arrows_that_are_drawn_are_the_fewest_with_the_same_paths(graph, example):
    graph = example or graph
    few = house.direct(graph)
    assert all(reachable(few, name) == reachable(graph, name) for name in graph)
    for name, others in few.items():
        for other in others:
            assert reachable(few | {name: others - {other}}, name) != reachable(graph, name)


def test_the_picture_shows_every_room_with_its_lines_and_arrows_that_go_down(rooms, graph):
    svg = ElementTree.fromstring(house.picture(rooms))
    shown = [tuple(text.text for text in group.iter(f"{SVG}text")) for group in svg.iter(f"{SVG}g")]
    assert sorted(shown) == sorted((name, f"{room.lines:,}") for name, room in rooms.items())
    places = {(box.get("x"), box.get("y")) for group in svg.iter(f"{SVG}g") for box in group.iter(f"{SVG}rect")}
    assert len(places) == len(rooms)
    arrows = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("class") == "arrow"]
    assert len(arrows) == sum(map(len, house.direct(graph).values()))
    for path in arrows:
        start = int(path.split()[2])
        ends = [int(end) for end in re.findall(r"V (\d+)", path)]
        assert ends and start < ends[-1]
    words = svg.find(f"{SVG}desc").text
    assert all(f"{name} imports {', '.join(sorted(to))}" in words for name, to in house.direct(graph).items() if to)


def test_what_is_neither_blank_nor_comment_nor_docstring_is_a_line_of_code(tmp_path):
    text = '"""Of the\n\nmodule."""\n\n# a comment\nx = [\n    1,  # one\n]\n\n\n'
    text += 'def f():\n    """Nothing."""\n    return """a\nb"""\n'
    path = tmp_path / "a.py"
    path.write_text(text)
    assert house.Room("a", "", (path, path)).lines == 2 * 6


@pytest.mark.parametrize(("name", "caller"), house.STEPS)
def test_a_step_of_the_walk_exists_and_is_called_where_it_says(name, caller):
    assert len(house.about(name)) > 10
    path = ROOT / caller.replace(".", "/")
    files = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    call = re.compile(rf"(?<!def )\b{name.split(':')[1].split('.')[-1]}\(")
    assert any(call.search(file.read_text(encoding="utf-8")) for file in files)


def test_the_concepts_are_twelve_and_each_has_a_place_and_a_sentence():
    found = list(house.concepts())
    assert len(found) == 12 and all(
        len(words) > 10 and place.startswith(("xlgen.", "paper.")) for _, place, words in found
    )


def test_what_is_not_there_is_no_step():
    with pytest.raises(KeyError):
        house.about("paper.house:lost")
