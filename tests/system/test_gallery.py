"""The gallery of a bulk run in a real Chromium."""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from mjtask_async.cli.results import Row, leave, thumbnails

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REQUIRED = "chromium" in os.environ.get("MJTASK_REQUIRE", "")
EVIL = '"><script>document.title = "hacked"</script><b>bold</b>'
PROBE = """
<script>
addEventListener("load", () => {
  const visible = () => [...document.querySelectorAll("figure")]
    .filter(each => getComputedStyle(each).display !== "none").map(each => each.className);
  const images = [...document.images];
  images.forEach(each => each.loading = "eager");
  Promise.all(images.map(each => each.decode())).then(() => {
    const found = {title: document.title, bold: document.querySelectorAll("b").length};
    found.widths = images.map(each => each.naturalWidth);
    found.caption = document.querySelector("figcaption").firstChild.data;
    found.all = visible();
    for (const name of ["succeeded", "failed"]) {
      document.querySelector(`label[for=show-${name}]`).click();
      found[name] = visible();
    }
    document.body.innerHTML = "";
    document.body.dataset.found = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
  });
});
</script>
"""


def test_pictures_show_the_filter_works_and_prompts_are_texts(tmp_path: Path) -> None:
    if CHROMIUM is None:
        assert not REQUIRED, "chromium is missing: apt-get install chromium"
        pytest.skip("needs chromium")
    Image.new("RGB", (800, 800), "red").save(tmp_path / 'a "fox".png')
    rows = [
        Row(0, EVIL, status="succeeded", images=('a "fox".png',)),
        Row(1, "an owl", status="failed", error={"kind": "X", "message": EVIL}),
    ]
    thumbnails(tmp_path, rows[0])
    leave(tmp_path, "a run", rows)

    found = opened(CHROMIUM, tmp_path)

    assert found == {
        "title": "a run",
        "bold": 0,
        "widths": [384],
        "caption": EVIL,
        "all": ["succeeded", "failed"],
        "succeeded": ["succeeded"],
        "failed": ["failed"],
    }


def opened(chromium: str, folder: Path) -> object:
    """Open the page from its file, without a server, and ask it what it shows."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    probed = folder / "probed.html"
    probed.write_text(page.replace("</head>", f"{PROBE}</head>"), encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000"]
    ended = subprocess.run(
        [*command, probed.as_uri()], capture_output=True, text=True, check=True, timeout=100
    )
    match = re.search(r'data-found="([^"]+)"', ended.stdout)
    assert match, ended.stdout
    return json.loads(base64.b64decode(match[1]))
