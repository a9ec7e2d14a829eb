"""The browser that the other tests use sees what they rely on it to see."""

import numpy as np
import pytest

pytestmark = pytest.mark.browser


@pytest.fixture
def open_html(lenient_browser, tmp_path):
    def open_(body):
        page = tmp_path / "page.html"
        page.write_text(f"<!doctype html><meta charset=utf-8><title>t</title><body style='margin:0'>{body}")
        lenient_browser.open(page)
        return lenient_browser

    return open_


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<script>console.error('oh no')</script>", "oh no"),
        ("<script>throw new Error('thrown')</script>", "thrown"),
        ("<script>Promise.reject(new Error('rejected'))</script>", "rejected"),
        ("<script>setTimeout(() => alert('stop'), 50)</script>", "alert: stop"),
        ("<img src='data:,x' onerror=\"confirm('sure?')\">", "confirm: sure?"),
        ("<script src='gone.js'></script>", "gone.js"),
        ("<img src='http://pictures.invalid/a.png'>", "network: http://pictures.invalid/a.png"),
        ("<script>fetch('https://data.invalid/').catch(() => 0)</script>", "network: https://data.invalid/"),
        ("<link rel=stylesheet href='//fonts.invalid/x.css'>", "fonts.invalid/x.css"),
        (
            "<style>body { background: url(http://b.invalid/b.png) }</style>",
            "network: http://b.invalid/b.png",
        ),
        (
            "<script>navigator.sendBeacon('http://beacon.invalid/', 'x')</script>",
            "network: http://beacon.invalid/",
        ),
        ("<script>new WebSocket('ws://socket.invalid/')</script>", "network: ws://socket.invalid/"),
    ],
)
def test_faults_are_seen(open_html, body, said):
    browser = open_html(body)
    browser.wait_for("document.readyState === 'complete'")
    found = []
    for _ in range(40):
        found += browser.faults()
        if any(said in fault for fault in found):
            return
        browser.js("return 0")
    pytest.fail(f"{said} is not in {found}")


def test_a_page_without_fault_has_none(open_html):
    browser = open_html(
        "<p>fine</p><img src='data:,' alt=''><script>console.log('a'); console.warn('b')</script>"
    )
    assert browser.faults() == []


def test_mouse_and_keys_arrive(open_html):
    browser = open_html("""<input id=a style='position:absolute;left:100px;top:50px;width:80px;height:20px'>
        <script>window.seen = [];
        for (const kind of ["mousedown", "mouseup", "pointermove"])
          document.addEventListener(kind, (e) =>
            seen.push([kind, e.clientX, e.clientY, e.shiftKey, e.buttons]));
        </script>""")
    browser.click_on("#a")
    browser.press("x", "7", "TAB")
    assert browser.js("return document.getElementById('a').value") == "x7"
    browser.js("seen.length = 0")
    browser.drag([(10, 300), (90, 300), (90, 380)], shift=True)
    seen = browser.js("return seen")
    assert [s for s in seen if s[0] == "mousedown"] == [["mousedown", 10, 300, True, 1]]
    assert [s for s in seen if s[0] == "mouseup"] == [["mouseup", 90, 380, True, 0]]
    assert ["pointermove", 90, 300, True, 1] in seen


def test_a_covered_element_is_not_clicked(open_html):
    browser = open_html("<button id=a>a</button><div style='position:fixed;inset:0'></div>")
    with pytest.raises(AssertionError, match="#a: covered by <div"):
        browser.click_on("#a")
    with pytest.raises(AssertionError, match="#b: no such element"):
        browser.click_on("#b")


def test_pixels_downloads_and_prints(open_html):
    browser = open_html("""
        <div style='position:absolute;left:20px;top:10px;width:40px;height:30px;background:#1286fe'></div>
        <a id=a download='x.csv' style='position:absolute;top:100px'>save</a>
        <div style='position:absolute;top:4000px'>end</div>
        <script>document.getElementById("a").href = URL.createObjectURL(new Blob(["1,2"]))</script>""")
    np.testing.assert_array_equal(
        browser.screenshot((20, 10, 40, 30)), np.full((30, 40, 3), (0x12, 0x86, 0xFE))
    )
    path = browser.wait_for_download(lambda: browser.click_on("#a"))
    assert path.name == "x.csv"
    assert path.read_text() == "1,2"
    pdf, n_pages = browser.print_pdf()
    assert pdf.startswith(b"%PDF")
    assert n_pages == 4
