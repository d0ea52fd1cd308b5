from importlib import metadata
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

project = "mjtask_async"
release = metadata.version(project)
project_copyright = "the mjtask_async maintainers"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
myst_enable_extensions = ["deflist"]
suppress_warnings = ["config.cache"]

default_role = "py:obj"  # `Name` in a docstring is a reference, and --nitpicky checks it
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!mjtask_async)[\w.]+\.\w+"),  # other projects' names: checking needs the network
    ("py:(class|obj)", r"T|R|(.+\.)?[TR]"),  # type variables
    ("py:class", r"mjtask_async\.simulator\.(exchange\.Answer|direct\.Spoken)"),  # inner
]


def by_last_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.reference | None:
    """Resolve a name as its reader does: whatever page or module documents it."""
    if node.get("refdomain") != "py":
        return None
    python = env.domains["py"]
    name = node["reftarget"]
    if name.startswith("mjtask_async."):
        name = name.rpartition(".")[2]
    found = python.find_obj(env, None, None, name, None, 1)
    if len({entry.node_id for _, entry in found}) != 1:
        return None
    node["reftarget"] = found[0][0]
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0][0], node, text)


def plain_words(  # noqa: PLR0917  # Sphinx calls it so
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Keep napoleon from taking a sentence's colon for a type, and a drawn tree as drawn."""
    del app, name, thing, options
    inline = what in {"attribute", "property", "data"}
    starts = [0] if inline else [n for n, line in enumerate(lines, 1) if line == "Returns:"]
    for start in starts:
        lines[start] = lines[start].replace(": ", " \u2013 ", 1)
    if any("\u251c\u2500\u2500" in line for line in lines):
        lines[0] += ":" if lines[0].endswith(":") else "\n"
        lines[1:1] = ["", "::"]


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", by_last_name)
    app.connect("autodoc-process-docstring", plain_words, priority=400)
