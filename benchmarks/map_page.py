"""Frame times of the map while it is panned and zoomed: a synthetic map in headless Chromium.

    python benchmarks/map_page.py [--points 100000] [--frames 240] [--chromium PATH] [--gpu]

The page's own files are served with a made-up index; frames are those of requestAnimationFrame while a pointer drags
the map and a wheel zooms it, ``script`` is the page's own time within one. Both ways of drawing are measured: WebGL (on
the CPU where there is no graphics card, which the page itself refuses) and the canvas that is used there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Page, Route, sync_playwright

from embeddings_orch.server.page.routes import page_files

ARGS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
MODEL = {
    "column": "toy",
    "provider": "none",
    "name": "toy",
    "input": "media",
    "dimensions": 8,
    "fingerprint": "0" * 12,
    "modalities": ["text"],
}
# Renderers that imitate a graphics card are refused by the page; with this one is taken.
TAKE_ANY = """
const parameter = WebGLRenderingContext.prototype.getParameter;
WebGLRenderingContext.prototype.getParameter = function (name) {
  const value = parameter.call(this, name);
  return typeof value === 'string' ? value.replace(/swiftshader|llvmpipe|software/gi, 'card') : value;
};
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return context.call(this, kind, kind === 'webgl' ? { ...options, failIfMajorPerformanceCaveat: false } : options);
};
"""
TAKE_NONE = """
const context = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return kind === 'webgl' ? null : context.call(this, kind, options);
};
"""
# The time between frames, and that of the page's own script within one.
WATCH = """
window.frames_ms = [], window.script_ms = [];
const ask = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (act) => ask((at) => {
  const begun = performance.now();
  act(at);
  window.script_ms.push(performance.now() - begun);
});
let last = 0;
const tick = (at) => { if (last) window.frames_ms.push(at - last); last = at; ask(tick); };
ask(tick);
"""


def answers(points: int) -> dict[str, object]:
    """The server's answers, with as many points in 40 clusters."""
    random = np.random.default_rng(5)
    centres = random.uniform(9000, 56000, (40, 2))
    places = centres[random.integers(0, 40, points)] + random.normal(0, 2600, (points, 2))
    x, y = np.clip(places, 0, 65535).astype(int).T
    ids = [f"folder/{number:06}.png" for number in range(points)]
    generation = {
        "id": "g-1",
        "created_at": "2026-01-01T00:00:00Z",
        "rows": points,
        "passed": True,
        "published": True,
        "models": [MODEL],
        "maps": ["toy"],
    }
    index = {
        "pipeline": "p",
        "index": "i",
        "published": "g-1",
        "held": False,
        "rows": points,
        "metric": "cosine",
        "full_text": [],
        "models": [MODEL],
        "columns": [],
        "generations": [generation],
        "error": None,
    }
    group = {"name": "group", "type": "string", "min": None, "max": None, "nulls": 0}
    values = [{"value": f"group {place}", "count": points // 10} for place in range(10)]
    about = "/v1/indexes/p/i"
    return {
        "/v1/indexes": {"indexes": [index]},
        "/v1/search": {"index": "i", "pipeline": "p", "generation": "g-1", "hits": [], "seconds": 0.001},
        f"{about}/facets": {"generation": "g-1", "columns": [{**group, "values": values}]},
        f"{about}/values": {
            "values": [one["value"] for one in values],
            "ids": ids,
            "codes": random.integers(0, 10, points).tolist(),
        },
        f"{about}/map": {
            "generation": "g-1",
            "column": "toy",
            "method": "pca",
            "rows": points,
            "points": points,
            "ids": ids,
            "x": x.tolist(),
            "y": y.tolist(),
            "explained": [0.2, 0.1],
        },
    }


def measured(page: Page, frames: int) -> dict[str, object]:
    """Drag and zoom the map for as many frames."""
    page.goto("http://page.test/?view=map")
    page.wait_for_selector(".map .overlay")
    page.wait_for_selector(".legend:not([hidden])")
    renderer = page.locator(".map").get_attribute("data-renderer")
    box = page.locator(".map .overlay").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.wait_for_timeout(500)
    found: dict[str, object] = {"renderer": renderer}
    for name in ("pan", "zoom"):
        page.evaluate("frames_ms.length = 0, script_ms.length = 0")
        # In the page, so that the driver's own time is not measured.
        page.evaluate(
            """async ([x, y, frames, zoom]) => {
              const canvas = document.querySelector(".map .overlay");
              const send = (name, right, down, Kind = PointerEvent, more = {}) => canvas.dispatchEvent(
                new Kind(name, { clientX: x + right, clientY: y + down, pointerId: 1, bubbles: true, ...more }));
              canvas.setPointerCapture = () => {};
              if (!zoom) send("pointerdown", 0, 0);
              for (let frame = 0; frame < frames; frame += 1) {
                await new Promise((done) => requestAnimationFrame(done));
                const angle = frame / 20;
                if (zoom) send("wheel", 0, 0, WheelEvent, { deltaY: 60 * Math.sin(angle), cancelable: true });
                else send("pointermove", 120 * Math.sin(angle), 90 * Math.cos(angle));
              }
              if (!zoom) send("pointerup", 0, 0);
            }""",
            [x, y, frames, name == "zoom"],
        )
        for kind in ("frames", "script"):
            times = page.evaluate(f"{kind}_ms")
            ordered = sorted(times)
            found[f"{name} {kind}"] = {
                "median": round(statistics.median(ordered), 1),
                "p95": round(ordered[int(0.95 * len(ordered))], 1),
            }
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--points", type=int, default=100_000)
    options.add_argument("--frames", type=int, default=240)
    options.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    options.add_argument("--gpu", action="store_true", help="use the graphics card")
    options.add_argument("--screenshot", type=Path)
    chosen = options.parse_args()
    known = answers(chosen.points)

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        file = page_files().get(path.removeprefix("/static/") if path != "/" else "index.html")
        if file is not None:
            route.fulfill(body=file.data, content_type=file.kind)
        elif path in known:
            route.fulfill(body=json.dumps(known[path]), content_type="application/json")
        else:
            route.fulfill(status=404, body="{}")

    with sync_playwright() as playwright:
        args = ARGS if chosen.gpu else [*ARGS, "--disable-gpu", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=args)
        print(f"{chosen.points:,} points, 1280 x 800, Chromium {browser.version}; milliseconds")
        for script in (TAKE_ANY, TAKE_NONE):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.add_init_script(WATCH + script)
            page.route("**/*", answer)
            print(json.dumps(measured(page, chosen.frames)))
            if chosen.screenshot:
                page.screenshot(path=chosen.screenshot)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
