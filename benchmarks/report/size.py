"""Size, building time and first paint of the report's map: 10,000 points with pictures, 100,000 without.

    python benchmarks/report/size.py                    both pages, against their bars
    python benchmarks/report/size.py --keep FOLDER      leaves the pages there, to look at
    python benchmarks/report/size.py --projection       seconds of the planes by number of rows

The exit status is 1 where a bar is missed. Paint is measured in headless Chromium, with the graphics of the
processor; without Chromium or selenium that part is left out, and said.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from archetypal_triplet.report._map import bokeh_inline, build_map
from archetypal_triplet.report._projection import compute_projections
from archetypal_triplet.report._sprites import make_sprites

DIM, N_ARCHETYPES, PICTURE = 32, 12, 64
# (points, with pictures): megabytes, seconds to build, seconds to the first paint
CASES = {(10_000, True): (25.0, 60.0, 3.0), (100_000, False): (40.0, None, 3.0)}
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--window-size=1280,1000",
)  # fmt: skip
# what a person does; each is timed until the second frame after it, when it can be seen
ACTIONS = {
    "color": "map.setColor('archetype')",
    "plane": "map.setProjection('PCA')",
    "select all": "map.select([...Array(map.n).keys()])",
    "write CSV": "map.csv()",
    "clear": "map.clear()",
}
TIMING = """
const done = arguments[arguments.length - 1], map = window.archetypalMap;
const frame = () => new Promise((f) => requestAnimationFrame(() => setTimeout(f)));
(async () => {
  const start = performance.now();
  ACTION;
  await frame();
  await frame();
  done((performance.now() - start) / 1000);
})();
"""


def make_table(n, seed=0):
    """Simulate a run's table: groups in an embedding, shares, and the metadata of a large screen."""
    rng = np.random.default_rng(seed)
    group = rng.integers(N_ARCHETYPES, size=n)
    embedding = rng.normal(size=(N_ARCHETYPES, DIM))[group] + 0.7 * rng.normal(size=(n, DIM))
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    kinds = rng.choice(["sample", "negative", "positive"], size=n, p=[0.85, 0.1, 0.05])
    names = np.array([f"BRD-K{i:08d}" for i in rng.integers(5000, size=n)])
    metadata = {
        "Metadata_Plate": [f"Plate{i:03d}" for i in rng.integers(40, size=n)],
        "Metadata_Well": [
            f"{'ABCDEFGHIJKLMNOP'[i % 16]}{i // 16 + 1:02d}" for i in rng.integers(384, size=n)
        ],
        "Metadata_Site": [str(i) for i in rng.integers(1, 10, size=n)],
        "Metadata_Compound": np.where(
            kinds == "sample", names, np.where(kinds == "negative", "DMSO", "taxol")
        ),
        "Metadata_Concentration_uM": np.where(kinds == "negative", 0.0, 10.0 ** rng.integers(-3, 2, size=n)),
        "Metadata_ControlType": kinds,
        "Metadata_Count_Cells": rng.poisson(200, size=n),
        "Pseudolabel": group,
        "Pseudolabel_Confidence": rng.uniform(size=n),
    }
    shares = rng.dirichlet(np.full(N_ARCHETYPES, 0.3), size=n)
    return pd.concat(
        [pd.DataFrame(metadata), pd.DataFrame(shares).add_prefix("Archetype_")], axis=1
    ), embedding


def make_pictures(n, size=PICTURE, seed=0):
    """Draw n pictures as busy as crops of cells: soft spots in three channels, and the noise of a camera."""
    rng = np.random.default_rng(seed)
    grid = np.arange(size)
    pictures = np.empty((n, size, size, 3), dtype=np.uint8)
    for k in range(n):
        image = np.zeros((size, size, 3))
        for _ in range(4):
            y, x, width = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(3, 12)
            spot = np.outer(np.exp(-(((grid - y) / width) ** 2)), np.exp(-(((grid - x) / width) ** 2)))
            image += spot[:, :, None] * rng.uniform(0, 200, size=3)
        pictures[k] = (image + rng.normal(12, 5, size=image.shape)).clip(0, 255)
    return pictures


def build_page(n, with_pictures):
    """Return the page, and the seconds of its steps."""
    table, embedding = make_table(n)
    pictures = make_pictures(n) if with_pictures else None
    seconds, start = {}, time.perf_counter()
    planes = compute_projections(embedding)
    seconds["planes"] = time.perf_counter() - start
    start = time.perf_counter()
    sprites = make_sprites(pictures) if with_pictures else None
    seconds["pictures"] = time.perf_counter() - start
    start = time.perf_counter()
    part = build_map(table, planes, thumbnails=sprites)
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Map</title><style>{part.styles}</style>'
        f"<body><h1>Map of {n:,} points</h1>{part.html}<script>{bokeh_inline()}</script>"
        f"<script>{part.scripts}</script></body></html>"
    )
    seconds["page"] = time.perf_counter() - start
    return page, seconds


def open_browser(folder):
    """Return a driver of headless Chromium, or None and the reason."""
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        return None, "selenium is not installed"
    binary = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    driver = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
    if not (binary and driver):
        return None, "Chromium or its driver is not installed"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    browser.set_page_load_timeout(300)
    browser.set_script_timeout(300)
    return browser, None


def measure_paint(path):
    """Seconds to the first paint, to the drawn map, and of what a person does; or None and the reason."""
    with tempfile.TemporaryDirectory(prefix="map-") as folder:
        browser, reason = open_browser(folder)
        if browser is None:
            return None, reason
        try:
            browser.get(path.resolve().as_uri())
            browser.execute_async_script("window.archetypalMap.ready.then(arguments[0])")
            entries = (
                "return performance.getEntriesByType(arguments[0]).map((e) => [e.name, e.startTime / 1000])"
            )
            paint = dict(browser.execute_script(entries, "paint"))["first-contentful-paint"]
            drawn = browser.execute_script(entries, "mark")[-1][1]
            acts = {
                name: browser.execute_async_script(TIMING.replace("ACTION", code))
                for name, code in ACTIONS.items()
            }
            return {"first paint": paint, "map drawn": drawn, **acts}, None
        finally:
            browser.quit()


def run_case(n, with_pictures, folder):
    """Build one page, print what it costs; return the bars that it misses."""
    print(f"\n{n:,} points, {f'pictures of {PICTURE} px' if with_pictures else 'no pictures'}")
    page, seconds = build_page(n, with_pictures)
    path = folder / f"map_{n}.html"
    path.write_text(page, encoding="utf-8")
    size = path.stat().st_size / 1e6
    total = sum(seconds.values())
    print(f"  file         {size:7.1f} MB")
    print(f"  built in     {total:7.1f} s   ({', '.join(f'{k} {v:.1f}' for k, v in seconds.items())})")
    max_size, max_total, max_paint = CASES[n, with_pictures]
    missed = [f"{size:.1f} MB, bar {max_size:g}"] if size > max_size else []
    if max_total is not None and total > max_total:
        missed.append(f"built in {total:.1f} s, bar {max_total:g}")
    shown, reason = measure_paint(path)
    if shown is None:
        print(f"  paint was not measured: {reason}")
        return missed
    for name, value in shown.items():
        print(f"  {name:12} {value:7.2f} s")
    if shown["first paint"] > max_paint:
        missed.append(f"first paint after {shown['first paint']:.2f} s, bar {max_paint:g}")
    return missed


def run_projection():
    """Print the seconds of the planes; the first call compiles."""
    compute_projections(make_table(500)[1])
    for n in (1_000, 10_000, 20_000, 100_000):
        embedding = make_table(n)[1]
        for max_fit in sorted({min(n, 20_000), n} if n <= 20_000 else {20_000}):
            wall, cpu = time.perf_counter(), time.process_time()
            compute_projections(embedding, max_fit=max_fit)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{n:8,} rows, fitted to {max_fit:7,}: {wall:6.1f} s, {cpu:6.1f} s of CPU")


def main():
    """Run what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder for the pages")
    parser.add_argument("--projection", action="store_true", help="time the planes only")
    arguments = parser.parse_args()
    if arguments.projection:
        run_projection()
        return 0
    missed = []
    with tempfile.TemporaryDirectory(prefix="pages-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for n, with_pictures in CASES:
            missed += [f"{n:,} points: {line}" for line in run_case(n, with_pictures, folder)]
    print()
    for line in missed:
        print(f"MISSED: {line}")
    print("All bars are met." if not missed else f"{len(missed)} bars are missed.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
