"""Maps and several lines, in a real browser: what the pointer and the keys read is what the answers hold."""

import pytest
import small_answers
from test_chromium import Keys, browser, plot, point, pytestmark, tip, told  # noqa: F401

from seealike import report
from seealike.report.values import said
from seealike.results import Results, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("maps")
    for answer in (small_answers.localization(), small_answers.skip_ratio()):
        write(out, answer.attrs["measure"], "0", answer)
    return out


@pytest.fixture
def opened(browser, folder):  # noqa: F811
    """The page, freshly opened; afterwards, nothing was complained of."""
    browser.get_log("browser")
    browser.set_window_size(1280, 1000)
    browser.get(report.write(folder).as_uri())
    yield browser
    assert browser.get_log("browser") == []


def which(opened, identity: str) -> int:
    plots = opened.execute_script("return [...document.querySelectorAll('.plot')].map(p => p.dataset.figure)")
    return next(i for i, found in enumerate(plots) if f"-{identity}-figure" in found)


def test_maps_and_lines_are_read_by_pointer_and_keys(opened, folder):
    answer = Results(folder)["localization"]
    found = plot(opened, which(opened, "localization-vit-blocks.0"))

    def at(token, y, x) -> list[str]:
        value, error = (float(v[0, token, y, x].astype("f4")) for v in (answer.localization, answer.localization_se))
        return [
            f"token {token} (row {token // 4}, column {token % 4})",
            f"patch y {y}, x {x}",
            f"CKA {said(value, error)}",
        ]

    point(opened, found, (2 + 0.6) / 4, 1 - (1 + 0.1) / 4)
    assert tip(found) == at(6, 0, 2)
    found.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP)
    assert tip(found) == at(2, 3, 3), "over the upper edge into the map above"
    found.send_keys(Keys.PAGE_DOWN, Keys.ARROW_DOWN)
    assert tip(found) == at(7, 0, 3) and told(found) == f"{', '.join(at(7, 0, 3)[:2])}: {at(7, 0, 3)[2]}"
    lines = plot(opened, which(opened, "ratio-lines"))
    ratio = Results(folder)["skip_ratio"].ratio.values[0]
    lines.send_keys(Keys.HOME)
    assert tip(lines)[:2] == ["vit:blocks.0.add", "spatial tokens"]
    lines.send_keys(Keys.ARROW_UP)
    cls = said(float(ratio[0].astype("f4")), float((ratio[0] / 20).astype("f4")))
    assert tip(lines)[1:] == ["CLS", f"norm ratio of skip connection to branch {cls}"]
    swatches = (
        "return [...document.querySelectorAll('.legend')][0].querySelectorAll('li')[1].style.getPropertyValue('--line')"
    )
    light = opened.execute_script(swatches)
    opened.execute_script("document.getElementById('theme').click()")
    assert light.startswith("#") and opened.execute_script(swatches) != light, "lines change with the page"
