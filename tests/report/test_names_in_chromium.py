"""Names that are markup or code, in a real browser: they are shown as they are, and nothing of them runs."""

import numpy as np
import pytest
import xarray as xr
from made import MODELS, attributes, cka
from test_chromium import browser, plot, point, pytestmark, tip  # noqa: F401

from seealike import report
from seealike.results import write

BAD = (
    "<script>window.ran = 1</script>",
    "</script><img src=x onerror='window.ran = 2'>",
    "<b>b</b>&amp;<a href='javascript:window.ran = 3'>a</a>",
    "\u2028\u2029'\"`${window.ran = 4}`",
    "<!--<script>",
    "]]>{{7*7}}%{x}<br>",
)


FOLLOWED = """
const at = (hash) => document.getElementById(decodeURIComponent(hash)) || document.getElementById(hash);
return [...document.links].every((link) => at(link.hash.slice(1)));
"""
DRAWN = "return [...document.querySelectorAll('.plot text')].map((text) => text.textContent).join(' ')"


def flat(name: str) -> str:
    """What a file or a variable can be called."""
    return name.replace("/", "|")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("names")
    layers = [f"vit:{bad}" for bad in BAD]
    answer = cka(layers, [f"net:{bad}{i}" for i, bad in enumerate(BAD)], title=BAD[0], command=BAD[1], notes=list(BAD))
    answer.attrs["models"] = {bad: MODELS["vit"] | {"source": bad, "weights": bad, "tags": {bad: bad}} for bad in BAD}
    answer.attrs["images"] = {
        "name": BAD[0],
        "source": BAD[1],
        "count": 8,
        "unreadable_images": [f"{BAD[1]}: {BAD[2]}"],
    }
    answer.attrs["question"] = {"a": BAD[0], BAD[1]: BAD[2]}
    answer.cka.attrs |= {"long_name": BAD[1], "units": BAD[2]}
    write(out, flat(BAD[1]), "0", answer)
    curves = xr.Dataset({flat(BAD[2]): (("class", "layer"), np.eye(6))}, {"class": list(BAD), "layer": layers})
    maps = {
        flat(BAD[1]): (("layer", "y", "x"), np.ones((6, 3, 3))),
        flat(BAD[2]): ("layer", np.ones(6), {"long_name": BAD[0]}),
    }
    write(out, "curves", "1", curves.assign_attrs(attributes(BAD[0], BAD[1])))
    write(out, "maps", "2", xr.Dataset(maps, {"layer": layers}, attributes(BAD[0], "receptive_field")))
    (out / f"{flat(BAD[2])}-3.nc").write_bytes(b"nothing")
    return out


def test_names_are_shown_as_they_are_and_nothing_of_them_runs(browser, folder):  # noqa: F811
    browser.get_log("browser")
    browser.set_window_size(1280, 1000)
    browser.get(report.write(folder).as_uri())
    count = len(browser.find_elements("class name", "plot"))
    assert count >= 4
    for which in range(count):
        plot(browser, which)
    found = plot(browser, 0)
    for row, column in ((0, 0), (1, 2), (3, 5), (4, 4)):
        point(browser, found, (column + 0.5) / 6, (row + 0.5) / 6)
        read = browser.execute_script("return document.querySelector('.tip').textContent")
        assert f"vit:{BAD[row]}" in read and f"net:{BAD[column]}" in read
    assert browser.execute_script("return window.ran === undefined && !document.querySelector('img[src=x]')")
    assert browser.execute_script("return [...document.links].every((link) => link.getAttribute('href')[0] === '#')")
    assert browser.execute_script(FOLLOWED)
    text = browser.execute_script("return document.body.textContent")
    assert all(bad in text for bad in BAD)
    drawn = browser.execute_script(DRAWN)
    assert "<b>b</b>" in drawn, "Plotly shows tags as letters"
    assert browser.get_log("browser") == []
