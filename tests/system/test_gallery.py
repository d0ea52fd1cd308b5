"""The gallery that ``mjtask bulk`` leaves, in a real Chromium."""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from mjtask_async.cli.app import main
from mjtask_async.simulator import Simulator, run_in_thread

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REQUIRED = "chromium" in os.environ.get("MJTASK_REQUIRE", "")
HACK = "document.title = 'hacked'"
EVIL = (
    f'"><script>{HACK}</script><img src="nowhere" onerror="{HACK}"><b onclick={HACK}>a fox</b> &lt;'
)
NAME = """it's a "run" & <i>more.jsonl"""
PROBE = """
<script>
addEventListener("load", () => {
  const figures = () => [...document.querySelectorAll("figure")];
  const shown = each => each.getClientRects().length > 0;
  const visible = () => figures().filter(shown).map(each => each.className);
  const images = [...document.images];
  images.forEach(each => each.loading = "eager");
  Promise.all(images.map(each => each.decode())).then(() => {
    const found = {title: document.title, heading: document.querySelector("h1").textContent};
    found.strays = document.querySelectorAll("b, i, [onerror], [onclick]").length;
    found.scripts = document.scripts.length;
    found.widths = images.map(each => each.naturalWidth);
    found.visibleImages = images.filter(shown).length;
    found.texts = images.map(each => each.alt);
    found.links = [...document.links].map(each => each.href);
    found.captions = figures().map(each => each.querySelector("figcaption").firstChild.data);
    found.filters = [];
    for (const label of [null, ...document.querySelectorAll("label")]) {
      label?.click();
      found.filters.push([label && label.textContent, visible()]);
    }
    document.body.innerHTML = "";
    document.body.dataset.found = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
  });
});
</script>
"""


def test_pictures_show_the_filter_works_and_prompts_are_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if CHROMIUM is None:
        assert not REQUIRED, "chromium is missing: apt-get install chromium"
        pytest.skip("needs chromium")
    monkeypatch.chdir(tmp_path)
    jobs = [{"prompt": EVIL, "then": ["U1"]}, {"prompt": "a nude owl"}, {"prompt": "a hare"}]
    Path(NAME).write_text("\n".join(map(json.dumps, jobs)), encoding="utf-8")
    assert run_bulk(monkeypatch, NAME) == 7  # the owl's prompt is banned

    found = opened(CHROMIUM, tmp_path / "out")

    assert (found["title"], found["heading"]) == (f"mjtask: {NAME}",) * 2
    assert (found["strays"], found["scripts"]) == (0, 1)
    assert found["captions"] == [EVIL, "a nude owl", "a hare"]
    assert found["texts"] == [EVIL, EVIL, "a hare"]
    assert found["visibleImages"] == len(found["widths"]) == 3
    assert all(width > 0 for width in found["widths"])
    for link in found["links"]:
        assert Path(unquote(urlsplit(link).path)).is_file()
    every = ["succeeded", "failed", "succeeded"]
    assert found["filters"] == [
        [None, every],
        ["all 3", every],
        ["succeeded 2", ["succeeded", "succeeded"]],
        ["failed 1", ["failed"]],
    ]


def run_bulk(monkeypatch: pytest.MonkeyPatch, name: str) -> int:
    with run_in_thread(Simulator(speed=50)) as sim:
        monkeypatch.setenv("MJ_BASE_URL", sim.base_url)
        monkeypatch.setenv("MJ_API_KEY", sim.api_key)
        return main(["bulk", name, "--out", "out"])


def opened(chromium: str, folder: Path) -> dict[str, Any]:
    """Open the page from its file, without a server, and ask it what it shows."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    probed = folder / "probed.html"
    probed.write_text(page.replace("</head>", f"{PROBE}</head>"), encoding="utf-8")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--disable-dev-shm-usage", "--virtual-time-budget=20000"]
    command += [f"--user-data-dir={folder / 'profile'}"]
    ended = subprocess.run(
        [*command, probed.as_uri()], capture_output=True, text=True, check=True, timeout=100
    )
    match = re.search(r'data-found="([^"]+)"', ended.stdout)
    assert match, ended.stdout
    found: dict[str, Any] = json.loads(base64.b64decode(match[1]))
    return found
