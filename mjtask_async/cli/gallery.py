"""The page a demo leaves behind: one file, no script, nothing from elsewhere."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import quote

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.25rem; }
h1 { margin: 0 0 1rem; font-size: 1.6rem; font-weight: 600; letter-spacing: -0.01em; }
dl { display: flex; flex-wrap: wrap; gap: 0.25rem 2.5rem; margin: 0 0 2rem; }
dt { font-size: 0.8rem; opacity: 0.65; }
dd { margin: 0; font-variant-numeric: tabular-nums; }
main { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); }
figure { margin: 0; overflow: hidden; border-radius: 0.75rem; border: 1px solid #8884; }
figure a { display: block; aspect-ratio: 1; background: #8882; }
img { display: block; width: 100%; height: 100%; object-fit: cover; }
figcaption { padding: 0.75rem 1rem; overflow-wrap: anywhere; }
small { display: block; opacity: 0.65; }
""".strip()


class Picture(NamedTuple):
    """One tile: the file's name beside the page (or none), the prompt, and a word below."""

    file: str
    prompt: str
    note: str


def page(title: str, pictures: Iterable[Picture], facts: Mapping[str, str]) -> str:
    """Render the whole page; every text is escaped."""
    return frame(title, facts, map(_tile, pictures))


def frame(
    title: str,
    facts: Mapping[str, str],
    tiles: Iterable[str],
    *,
    style: str = "",
    choices: str = "",
) -> str:
    """Render what all pages have in common; tiles, style and choices are HTML and CSS already."""
    terms = "".join(_fact(name, value) for name, value in facts.items())
    figures = "\n".join(tiles)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{_STYLE}
{style}
</style>
</head>
<body>
<h1>{escape(title)}</h1>
<dl>{terms}</dl>
{choices}
<main>
{figures}
</main>
</body>
</html>
"""


def _fact(name: str, value: str) -> str:
    """Render a fact as a pair of a description list."""
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _tile(picture: Picture) -> str:
    link = escape(quote(picture.file))
    prompt = escape(picture.prompt)
    image = f'<a href="{link}"><img src="{link}" alt="{prompt}" loading="lazy"></a>' if link else ""
    caption = f"{prompt}<small>{escape(picture.note)}</small>"
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
