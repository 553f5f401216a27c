"""The README's picture and answer, taken from the book that was built last; ``make readme``."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat

from paper.notebook import picture, root
from xlgen.core.errors import UnknownName

PICTURE = ("which_language", "fig-which-language-errors")
ANSWER = {
    "**Real text:** accuracy of `e5-small`, fine-tuned on English, in the languages of XNLI": "truth-real-level",
    "Its best forecast of a language that was left out, without labels in it, from the labelled others": (
        "which_language-real-row"
    ),
    "Its forecast of a model of which English alone is labelled, from models that are recorded": "predict-real-model",
    "Measures without labels that go along with its accuracy over the languages": "truth-real-firm",
    "Measures to which the miniature had given the same sign": "truth-real-signs",
    "Objectives whose change against the baseline has the sign that it has in the miniature": "truth-gains-alike",
    "Claims of the first paper that both settle, and differently": "truth-against-claims",
    "**The miniature:** measures that go along with accuracy over languages": "which_language-first-count",
    "Measures that go along with accuracy over the models, in one language": "which_model-second-count",
    "Best forecast of a language that was left out, with labels in it": "which_language-best-labelled",
    "Best forecast without labels in it": "which_language-best-free",
    "The papers' claims, on the miniature and on what is recorded of real data": "ledger-counts",
}
"""By question, the name of a number in the prose of a chapter, which its name begins with."""

BLOCK = re.compile(r"(<!-- numbers -->\n).*?(<!-- /numbers -->)", re.DOTALL)


def glued(executed: Path) -> dict[str, str]:
    """The numbers that the prose of an executed notebook holds, by their names."""
    outputs = [output for cell in nbformat.read(executed, as_version=4).cells for output in cell.get("outputs", [])]
    return {
        output.metadata["scrapbook"]["name"]: str(ast.literal_eval(text))
        for output in outputs
        if "scrapbook" in output.get("metadata", {})
        for kind, text in output.data.items()
        if kind.endswith("text/plain") and text[:1] in "'\""  # a figure or a box that another page shows is no number
    }


def update(folder: Path) -> None:
    """Write the picture and the answer of the book in ``folder`` into its README.

    Raises:
        UnknownName: the book has no such figure, or no such number.
    """
    executed = {
        name: folder / "book" / "notebooks" / f"{name}.ipynb"
        for name in {PICTURE[0], *(key.partition("-")[0] for key in ANSWER.values())}
    }
    image = picture(executed[PICTURE[0]], PICTURE[1])
    numbers = {key: text for path in executed.values() for key, text in glued(path).items()}
    lines = ["| question | answer |", "|---|---|"]
    for question, key in ANSWER.items():
        if key not in numbers:
            raise UnknownName("number of the book", key, numbers)
        lines.append(f"| {question} | {numbers[key].replace('|', chr(92) + '|')} |")
    readme = folder / "README.md"
    new = BLOCK.sub(lambda match: match[1] + "\n".join(lines) + "\n" + match[2], readme.read_text(encoding="utf-8"))
    (folder / "book" / "_static" / "overview.png").write_bytes(image)
    readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    update(root())
