from importlib.metadata import version

project = "mjtask_async"
release = version("mjtask_async")
project_copyright = "the mjtask_async maintainers"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
myst_enable_extensions = ["colon_fence", "fieldlist"]

default_role = "py:obj"  # `Name` in a docstring is a reference, and nitpicky checks it
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
nitpick_ignore_regex = [
    (r"py:.*", r"(?!mjtask_async).*\..*"),  # other projects' names: checking them needs the network
]
