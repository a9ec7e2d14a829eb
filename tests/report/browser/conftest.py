"""Chromium for the tests of the report: pages as a person uses them, with mouse, keys, downloads and printer.

Every test that opens a page fails at its end if the page wrote an error to the console, asked for anything
over the network, or opened a dialog.
"""

import base64
import io
import json
import os
import re
import shutil
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--force-color-profile=srgb", "--enable-unsafe-swiftshader",
)  # fmt: skip
_OWN = ("file:", "data:", "blob:", "about:")
_NO_DIALOGS = """for (const kind of ["alert", "confirm", "prompt"])
    window[kind] = (text) => console.error(`${kind}: ${text}`)"""
_START_PAGE = ("chrome:", "chrome-untrusted:")
_SHIFT = {"key": "Shift", "code": "ShiftLeft", "windowsVirtualKeyCode": 16}
SIZE = (1280, 1000)
PATIENCE_S = 30


def find_chromium():
    """Return the paths of Chromium and of its driver, None where there is none."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    return browser, os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")


class Browser:
    """One Chromium, and the page in it.

    Parameters
    ----------
    folder : Path
        Where it keeps its profile and what it downloads.
    """

    def __init__(self, folder):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        binary, driver = find_chromium()
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (
            *_FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={SIZE[0]},{SIZE[1] + 200}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(120)
        self.driver.set_script_timeout(60)
        self.set_window(*SIZE)
        self.command("Page.addScriptToEvaluateOnNewDocument", {"source": _NO_DIALOGS})
        place = {"behavior": "allow", "downloadPath": str(self.downloads), "eventsEnabled": False}
        self.command("Browser.setDownloadBehavior", place)

    def close(self):
        self.driver.quit()

    def command(self, name, parameters=None):
        return self.driver.execute_cdp_cmd(name, parameters or {})

    def set_window(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", size)

    def open(self, path):
        """Open a file, and wait until the page is loaded."""
        self.driver.get(Path(path).resolve().as_uri())

    def js(self, code, *arguments):
        """Run JavaScript in the page; ``arguments`` are there, ``return`` brings a value back."""
        return self.driver.execute_script(code, *arguments)

    def wait_for(self, code, *arguments, what=None, patience=PATIENCE_S):
        """Wait until an expression in JavaScript is true, and return its value."""
        end = time.monotonic() + patience
        while True:
            value = self.js(f"return {code}", *arguments)
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"after {patience} s there is still no {what or code}; {self.faults()}")
            time.sleep(0.05)

    def box(self, node):
        """Return left and upper edge, width and height of an element, an expression in JavaScript."""
        return self.js(f"const b = ({node}).getBoundingClientRect(); return [b.x, b.y, b.width, b.height]")

    # ---- mouse and keys, as the browser gets them from a person

    def move(self, x, y):
        self._mouse("mouseMoved", x, y)

    def click(self, x, y):
        self.drag([(x, y)])

    def click_on(self, selector):
        """Click into the middle of an element, which must not be covered there."""
        place = """
            const node = document.querySelector(arguments[0]);
            if (!node) return "no such element";
            node.scrollIntoView({ block: "center", behavior: "instant" });
            const box = node.getBoundingClientRect();
            const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
            const hit = document.elementFromPoint(x, y);
            const isFree = hit && (node.contains(hit) || hit.contains(node));
            if (!isFree) return `covered by ${hit && hit.outerHTML.slice(0, 200)}`;
            return [x, y];"""
        found = self.js(place, selector)
        assert not isinstance(found, str), f"{selector}: {found}"
        self.click(*found)

    def drag(self, points, *, shift=False):
        """Press at the first point, move over the others, let go at the last; the Shift key may be held."""
        modifiers = 8 if shift else 0
        if shift:
            self.command("Input.dispatchKeyEvent", {"type": "rawKeyDown", "modifiers": 8, **_SHIFT})
        self._mouse("mouseMoved", *points[0], modifiers)
        self._mouse("mousePressed", *points[0], modifiers)
        for start, end in pairwise(points):
            n_steps = max(1, round(np.hypot(end[0] - start[0], end[1] - start[1]) / 4))
            for share in np.arange(1, n_steps + 1) / n_steps:
                at = [a + share * (b - a) for a, b in zip(start, end, strict=True)]
                self._mouse("mouseMoved", *at, modifiers, held=True)
        self._mouse("mouseReleased", *points[-1], modifiers)
        if shift:
            self.command("Input.dispatchKeyEvent", {"type": "keyUp", **_SHIFT})

    def _mouse(self, kind, x, y, modifiers=0, held=False):
        pressed = kind != "mouseMoved" or held
        event = {"type": kind, "x": float(x), "y": float(y), "modifiers": modifiers}
        event |= {"button": "left" if pressed else "none", "buttons": int(kind == "mousePressed" or held)}
        event |= {"clickCount": int(kind != "mouseMoved"), "pointerType": "mouse"}
        self.command("Input.dispatchMouseEvent", event)

    def press(self, *keys):
        """Press keys, by their names in WebDriver: "TAB", "ENTER", or characters."""
        from selenium.webdriver import ActionChains, Keys

        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(getattr(Keys, key) if len(key) > 1 and key.isupper() else key)
        chain.perform()

    # ---- what a person takes home

    def wait_for_download(self, start, patience=PATIENCE_S):
        """Call `start`, and return the file that it downloads; older ones are removed."""
        for path in self.downloads.iterdir():
            path.unlink()
        start()
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = list(self.downloads.iterdir())
            if found and not any(path.suffix == ".crdownload" for path in found):
                return found[0]
            time.sleep(0.05)
        raise AssertionError(f"nothing was downloaded within {patience} s; {self.faults()}")

    def screenshot(self, box=None):
        """Return the visible page, or a part of it (left, top, width, height), as an array of RGB."""
        clip = None if box is None else dict(zip(("x", "y", "width", "height"), box, strict=True), scale=1)
        options = {"format": "png"} if clip is None else {"format": "png", "clip": clip}
        data = self.command("Page.captureScreenshot", options)["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def print_pdf(self):
        """Print the page on A4; return the file's bytes and its number of pages."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
        pdf = base64.b64decode(self.command("Page.printToPDF", paper)["data"])
        return pdf, len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))

    # ---- what went wrong

    def faults(self):
        """Return what the page wrote as errors, and what it asked of the network, since the last call."""
        return [*self._errors(), *self._requests()]

    def forget(self):
        """Leave the page, and forget what happened."""
        self.driver.get("about:blank")
        self.faults()
        self.set_window(*SIZE)

    def _errors(self):
        return [f"console: {e['message']}" for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]

    def _requests(self):
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            about = message["params"]
            if message["method"] in ("Network.webSocketCreated", "Network.requestWillBeSent"):
                url = about["request"]["url"] if "request" in about else about["url"]
                if not url.startswith(_OWN) and not about.get("documentURL", "").startswith(_START_PAGE):
                    found.append(f"network: {url}")
        return found


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    pytest.importorskip(
        "selenium", reason="selenium is not installed: pip install 'archetypal-triplet[browser]'"
    )
    binary, driver = find_chromium()
    if not binary or not driver:
        pytest.skip("Chromium or its driver is not here: apt install chromium chromium-driver")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def lenient_browser(chromium):
    """The browser, for tests that look at the faults themselves."""
    chromium.forget()
    yield chromium
    chromium.forget()


@pytest.fixture
def browser(lenient_browser):
    """The browser; the test fails if the page had a fault."""
    yield lenient_browser
    assert lenient_browser.faults() == []
