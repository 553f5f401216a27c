"""The HTML of pages whose content was computed: Jinja templates, in which whatever is filled in is text, not markup."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.display import HTML
    from jinja2 import Environment


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(__name__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def fill(template: str, **content: Any) -> str:
    """The text of a template (a file of this folder) with its blanks filled in."""
    return _environment().get_template(template).render(content)


def render(template: str, **content: Any) -> HTML:
    """The output of a cell, from the template ``<template>.html``."""
    from IPython.display import HTML

    return HTML(fill(f"{template}.html", **content))
