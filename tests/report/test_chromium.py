"""The report, in a real browser: what the pointer and the keys read is what the answers hold."""

import base64
import shutil

import numpy as np
import pytest
from made import RESNET, VIT, cka, study
from matplotlib import colormaps
from PIL import Image

from seealike import report
from seealike.report.values import said
from seealike.results import Results, write

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[dev]'")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine")

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--window-size=1280,1000",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return study(tmp_path_factory.mktemp("out"))


@pytest.fixture
def opened(browser, folder, tmp_path):
    """The page, freshly opened; afterwards, nothing was complained of, nothing asked of the world."""
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.set_window_size(1280, 1000)
    browser.get(report.write(folder).as_uri())
    yield browser
    browser.save_screenshot(str(tmp_path / "page.png"))
    assert browser.get_log("browser") == []
    asked = [entry["message"] for entry in browser.get_log("performance")]
    urls = [text.partition('"url":"')[2].partition('"')[0] for text in asked if "Network.requestWillBeSent" in text]
    assert urls and [url for url in urls if not url.startswith(("file:", "data:", "blob:"))] == []


def plot(browser, which: int):
    """A figure, scrolled to and drawn."""
    found = browser.find_elements(By.CLASS_NAME, "plot")[which]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", found)
    WebDriverWait(browser, 10).until(lambda _: found.get_attribute("data-drawn"))
    return found


def point(browser, found, x: float, y: float) -> None:
    """The pointer on a place of the panel, given as shares of its width and height from the lower left."""
    panel = found.find_element(By.CSS_SELECTOR, ".nsewdrag")
    wide, high = panel.rect["width"], panel.rect["height"]
    move = webdriver.ActionChains(browser, duration=0)
    move.move_to_element_with_offset(panel, round((x - 0.5) * wide), round((0.5 - y) * high)).perform()


def tip(found) -> list[str]:
    parent = found.find_element(By.XPATH, "..")
    return parent.find_element(By.CLASS_NAME, "tip").text.splitlines()


def told(found) -> str:
    return found.find_element(By.XPATH, "..").find_element(By.CLASS_NAME, "reading").text


def value(variable, error, unit="", **at) -> str:
    """A value as the page says it, from the answer."""
    return said(float(variable.sel(at).astype("f4")), float(error.sel(at).astype("f4")), unit)


def test_the_pointer_reads_names_value_and_error(opened, folder):
    answer, found = Results(folder)["similarity"], plot(opened, 0)
    for row, column in ((0, 0), (5, 8), (4, 1)):
        point(opened, found, (column + 0.5) / 9, (row + 0.5) / 6)
        at = {"layer_a": VIT[row], "layer_b": RESNET[column]}
        assert tip(found) == [VIT[row], RESNET[column], f"CKA {value(answer.cka, answer.cka_se, **at)}"]
    point(opened, found, 3.5 / 9, 2.5 / 6)
    assert tip(found) == [VIT[2], RESNET[3], "CKA undefined"]


def test_the_cells_have_the_colours_of_their_values(opened, folder, tmp_path):
    answer, found = Results(folder)["similarity"], plot(opened, 0)
    panel = found.find_element(By.CSS_SELECTOR, ".nsewdrag").rect
    found.screenshot(str(tmp_path / "plot.png"))
    left, top = panel["x"] - found.rect["x"], panel["y"] - found.rect["y"]
    with Image.open(tmp_path / "plot.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    for row, column in ((0, 0), (5, 0), (1, 7), (2, 3)):
        x, y = left + (column + 0.5) / 9 * panel["width"], top + (5.5 - row) / 6 * panel["height"]
        cell = float(answer.cka[row, column])
        expected = [184] * 3 if np.isnan(cell) else np.multiply(colormaps["magma"](cell)[:3], 255)
        np.testing.assert_allclose(pixels[int(y), int(x)], expected, atol=6)


def test_the_keys_read_and_a_live_line_tells(opened, folder):
    answer, found = Results(folder)["similarity"], plot(opened, 0)
    found.send_keys(Keys.ARROW_UP)
    assert tip(found)[:2] == [VIT[0], RESNET[0]], "the first key shows where the cursor is"
    for key in (Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_DOWN):
        found.send_keys(key)
    number = value(answer.cka, answer.cka_se, layer_a=VIT[1], layer_b=RESNET[2])
    assert tip(found) == [VIT[1], RESNET[2], f"CKA {number}"]
    assert told(found) == f"{VIT[1]}, {RESNET[2]}: CKA {number}"
    found.send_keys(Keys.END, Keys.PAGE_UP)
    assert tip(found)[:2] == [VIT[5], RESNET[8]], "it stops at the border"
    assert "solid" in opened.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    found.send_keys(Keys.ESCAPE)
    assert tip(found) == []


def test_heads_are_read_from_low_to_high(opened, folder):
    answer, found = Results(folder)["distance"], plot(opened, 2)
    found.send_keys(Keys.HOME)
    ordered = answer.attention_distance.isel(layer=0).argsort().values
    distance, error = answer.attention_distance, answer.attention_distance_se
    for rank in (0, 1, 2):
        at = {"layer": "vit:blocks.0.attn", "head": int(ordered[rank])}
        number = value(distance, error, "pixel", **at)
        assert tip(found) == ["vit:blocks.0.attn", f"head {at['head']}", f"attention distance {number}"]
        found.send_keys(Keys.ARROW_UP)
    found.send_keys(Keys.END, *[Keys.ARROW_UP] * 5)
    last = int(np.nanargmax(distance.isel(layer=-1).values))
    assert tip(found)[:2] == ["vit:blocks.5.attn", f"head {last}"], "a head that is not there is not read"


def test_a_curve_is_read_along_its_layers(opened, folder):
    answer, found = Results(folder)["other"], plot(opened, 4)
    point(opened, found, 5.5 / 7, 0.5)
    assert tip(found) == ["resnet:l0", f"area {value(answer.area, answer.area_se, 'pixel', layer='resnet:l0')}"]


def test_what_is_zoomed_is_read_right(opened):
    found = plot(opened, 0)
    point(opened, found, 0.5, 0.5)
    panel = found.find_element(By.CSS_SELECTOR, ".nsewdrag")
    wide, high = panel.rect["width"], panel.rect["height"]
    drag = webdriver.ActionChains(opened).click_and_hold().move_by_offset(round(wide / 4), -round(high / 4))
    drag.move_by_offset(round(wide / 4) - 1, 1 - round(high / 4)).release().perform()
    for _ in range(2):
        point(opened, found, 0.49, 0.49)
        assert tip(found)[:2] == [VIT[4], RESNET[6]], "the upper right quarter"
        opened.execute_script("document.getElementById('theme').click()")
    found.send_keys(Keys.ESCAPE)
    point(opened, found, 0.5, 0.4)
    assert tip(found)[:2] == [VIT[2], RESNET[4]]


def test_only_what_is_near_is_drawn_until_it_is_printed(opened):
    plots = opened.find_elements(By.CLASS_NAME, "plot")
    plot(opened, 0)
    assert not plots[-1].get_attribute("data-drawn")
    assert base64.b64decode(opened.print_page()).startswith(b"%PDF")
    assert all(found.get_attribute("data-drawn") for found in plots)
    assert opened.find_elements(By.CSS_SELECTOR, "details[open], [data-printing]") == [], "all is as it was"


def colours(browser) -> tuple[str, str]:
    text = "document.querySelector('.plot .xtick text')"
    paper = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    return paper, browser.execute_script(f"return getComputedStyle({text}).fill")


def test_light_and_dark(opened):
    plot(opened, 0)
    light = colours(opened)
    button = opened.find_element(By.ID, "theme")
    opened.execute_script("scrollTo(0, 0)")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    dark = colours(opened)
    assert button.get_attribute("aria-pressed") == "true"
    assert dark[0] != light[0] and dark[1] != light[1], "figures change with the page"
    prefers = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", prefers)
    opened.refresh()
    plot(opened, 0)
    assert colours(opened) == dark, "as the system prefers; the button's choice went with the page"
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_narrow_window_needs_no_scrolling_sideways(opened):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for which in range(7):
        plot(opened, which)
    sizes = opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    drawn = opened.execute_script(
        "return [...document.querySelectorAll('.plot')].map(p => p.scrollWidth - p.clientWidth)"
    )
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert sizes[0] <= sizes[1] and drawn == [0] * 7


def test_the_skip_link_comes_first(opened):
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert opened.switch_to.active_element.text == "Skip to the answers"


@pytest.mark.long
def test_twenty_large_heatmaps_open_within_three_seconds(browser, tmp_path):
    for i in range(20):
        layers = [f"m{i}:stage.{k // 10}.block.{k % 10}.conv" for k in range(150)]
        write(tmp_path, f"ask{i}", f"{i}", cka(layers, layers, i, f"ask{i}"))
    written = report.write(tmp_path)
    browser.get(written.as_uri())
    found = plot(browser, 0)
    loaded = browser.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    drawn = float(found.get_attribute("data-drawn"))
    print(f"{written.stat().st_size / 1e6:.1f} MB, loaded in {loaded:.0f} ms, first figure at {drawn:.0f} ms")
    assert max(loaded, drawn) < 3000
