"""Inversions compared, in a real browser: lines of several answers are read where they are drawn."""

import pytest
from small_comparison import study
from test_chromium import Keys, browser, plot, point, pytestmark, tip, told  # noqa: F401

from seealike import report
from seealike.report.values import said
from seealike.results import write

FAR = "mean distance of the picture"


@pytest.fixture
def opened(browser, tmp_path):  # noqa: F811
    """The page, freshly opened; afterwards, nothing was complained of."""
    for i, (name, answer) in enumerate(study().items()):
        write(tmp_path, name, f"{i:x}", answer.assign_attrs(created=f"2026-05-06T10:{i:02}:00+00:00"))
    browser.get_log("browser")
    browser.set_window_size(1280, 1000)
    browser.get(report.write(tmp_path).as_uri())
    yield browser
    assert browser.get_log("browser") == []


def test_lines_are_read_by_pointer_and_keys(opened):
    answers, found = study(), plot(opened, 0)
    low, high = opened.execute_script("return arguments[0].layout.yaxis.range", found)
    left, right = opened.execute_script("return arguments[0].layout.xaxis.range", found)
    for name, layer in (("vit-untrained", 2), ("vit-noise-s1", 3), ("vit", 1)):
        one = answers[f"pictures@{name}"].isel(layer=layer)
        x, y = (float(one.depth) - left) / (right - left), (float(one.mean_m_i) - low) / (high - low)
        point(opened, found, x, y)
        assert tip(found) == [f"layer{layer}", name, f"{FAR} {said(float(one.mean_m_i), float(one.mean_m_i_se))}"]
        mark = found.find_element("xpath", "..").find_element("class name", "mark").rect
        panel = found.find_element("css selector", ".nsewdrag").rect
        assert abs(mark["x"] + mark["width"] / 2 - panel["x"] - x * panel["width"]) < 3
        assert abs(mark["y"] + mark["height"] / 2 - panel["y"] - (1 - y) * panel["height"]) < 3, "below the legend"
    found.send_keys(Keys.HOME, Keys.ARROW_RIGHT)
    assert told(found).startswith("layer1, ")


def test_repeats_share_a_colour_and_untrained_networks_are_dotted(opened):
    found = plot(opened, 0)
    traces = opened.execute_script("return arguments[0].data.filter((t) => t.line.width > 0).map((t) => t.line)", found)
    colours, dashes = [trace["color"] for trace in traces], [trace["dash"] for trace in traces]
    assert dashes == ["solid", "solid", "dot", "dot", "dash", "dash", "dash"]
    assert colours[0] == colours[1] and colours[2] == colours[3] and len(set(colours)) == 4
    items = found.find_element("xpath", "..").find_elements("css selector", ".legend > li")
    assert [item.text for item in items] == ["vit (2)", "vit-untrained (2)", "vit-noise (2)", "image with noise"]
    own = [item.get_attribute("style") for item in items]
    assert "dotted" in own[1] and "dashed" in own[2] and colours[2] in own[1]
