"""Reconstructions in a real browser: the pointer and the keys read each picture."""

import pytest
from small_inversion import WORST, inversion
from test_chromium import By, Keys, browser, pytestmark, tip, told, webdriver  # noqa: F401

from seealike import report
from seealike.results import write


@pytest.fixture
def opened(browser, tmp_path):  # noqa: F811
    """The page, freshly opened; afterwards, nothing was complained of."""
    write(tmp_path, "inversion", "0", inversion(last=WORST))
    browser.get_log("browser")
    browser.set_window_size(1280, 1000)
    browser.get(report.write(tmp_path).as_uri())
    yield browser
    assert browser.get_log("browser") == []


def lines(img) -> list[str]:
    """What the tip says of a picture, pairs as two lines."""
    return img.get_attribute("data-tip").replace("\t", "\n").split("\n")


def test_pictures_are_read_by_pointer_and_keys(opened):
    found = opened.find_element(By.CLASS_NAME, "pictures")
    images = found.find_elements(By.TAG_NAME, "img")
    assert all(opened.execute_script("return arguments[0].naturalWidth", img) == 8 for img in images)
    assert images[0].size["width"] == images[0].size["height"] == 96
    assert images[0].value_of_css_property("image-rendering") == "pixelated"
    webdriver.ActionChains(opened, duration=0).move_to_element(images[6]).perform()
    assert tip(found) == lines(images[6]) and tip(found)[0] == "cnn:layer0"
    webdriver.ActionChains(opened, duration=0).move_to_element(opened.find_element(By.TAG_NAME, "h1")).perform()
    assert not shown(opened)
    for keys, at in (
        ((Keys.ARROW_RIGHT,), 7),
        ((Keys.ARROW_DOWN, Keys.ARROW_DOWN), 12),
        ((Keys.END,), 14),
        ((Keys.PAGE_UP,), 4),
        ((Keys.HOME, Keys.ARROW_LEFT), 0),
    ):
        found.send_keys(*keys)
        settle(opened)
        assert tip(found) == lines(images[at])
        assert told(found) == ", ".join(images[at].get_attribute("data-tip").split("\n")).replace("\t", " ")
    found.send_keys(Keys.ESCAPE)
    assert not shown(opened)


def shown(opened) -> bool:
    return opened.find_element(By.CSS_SELECTOR, ".gallery .overlay").is_displayed()


def settle(opened) -> None:
    """Two frames, after which what scrolled has scrolled."""
    opened.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def test_a_narrow_window_scrolls_the_pictures_alone(opened):
    opened.set_window_size(500, 900)
    found = opened.find_element(By.CLASS_NAME, "pictures")
    inside = opened.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    assert inside
    found.send_keys(Keys.HOME, Keys.END)
    settle(opened)
    assert tip(found) == lines(found.find_elements(By.TAG_NAME, "img")[4]), "what is led to is scrolled to"
