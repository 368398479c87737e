"""Pictures on the page: images, and beside each what every layer cannot tell from it; read by pointer and keys."""

import base64
import io

import numpy as np
import xarray as xr
from PIL import Image

from seealike.figures.reconstructions import Picture, Row, known, reconstructions
from seealike.report.maps import coarse
from seealike.report.maps import said as sentence
from seealike.report.markup import Html, element, joined
from seealike.report.naming import called, unit
from seealike.report.values import said

IMAGES, LAYERS = 6, 7  # 48 pictures with the images themselves
FINEST = 80  # pixels a side of a picture that the page holds; it shows 96
NEEDED = {"original", "reconstruction", "m_g", "m_i", "verdict"}
TOLD = (
    "Each image, and of each layer the picture that came nearest to it in the layer, of all starts. Non-unique: nearer "
    "in the layer than the image with a little noise, and over twice as far from the image. Not converged: no nearer "
    "than that. Not shown: near in both, which proves nothing."
)


def gallery(answer: xr.Dataset) -> Html:
    """The figure of an answer that holds pictures; nothing of others."""
    if not set(map(str, answer.data_vars)) >= NEEDED or 0 in answer["reconstruction"].shape:
        return Html()
    rows = reconstructions(answer, IMAGES, LAYERS)
    columns = len(rows[0].pictures) + 1
    whole = element("table", _head(rows[0]), element("tbody", *(_row(row, answer) for row in rows)))
    what = f"{called(answer['reconstruction'])}s"
    label = f"{what}: {len(rows)} images by {columns - 1} layers. Arrow keys read them."
    shown = element(
        "div", whole, class_="pictures", tabindex=0, role="region", aria_label=label, style=f"--columns: {columns}"
    )
    reading = element("p", class_="reading", role="status", aria_live="polite")
    texts = (element("p", TOLD, class_="which"), element("p", _left_out(answer, rows), class_="left-out"))
    caption = element("figcaption", element("h3", what[:1].upper() + what[1:]), *texts)
    return element("figure", caption, element("div", shown, reading, class_="drawn"), class_="gallery")


def _head(row: Row) -> Html:
    names = [picture.layer.partition(":")[2] or picture.layer for picture in row.pictures]
    return element("thead", element("tr", *(element("th", name, scope="col") for name in ("image", *names))))


def _row(row: Row, answer: xr.Dataset) -> Html:
    image = f"image {row.image}"
    own = joined(_img(row.original, image, [image]), element("span", image))
    return element("tr", element("th", own, scope="row"), *(_cell(one, image, answer) for one in row.pictures))


def _cell(picture: Picture, image: str, answer: xr.Dataset) -> Html:
    """The picture, its distance and its verdict; all that was found of it when it is pointed at."""
    far = said(picture.found["m_i"])
    alt = f"{image}, nearest picture of {picture.layer}: distance {far}, {picture.verdict}"
    start = f"start {picture.start + 1} of {answer.sizes['start']}" if answer.sizes["start"] > 1 else ""
    found = [f"{called(answer[name])}\t{said(much, unit=unit(answer[name]))}" for name, much in picture.found.items()]
    tip = [picture.layer, ", ".join(filter(None, (image, start))), *found, picture.verdict]
    distance = element("span", element("i", "m"), element("sub", "i"), f" {far}")
    verdict = element("span", picture.verdict, class_=f"found {picture.verdict.replace(' ', '-')}")
    return element("td", _img(picture, alt, tip), distance, verdict)


def _img(picture: Picture, alt: str, tip: list[str]) -> Html:
    pixels, _ = coarse(picture.pixels.transpose(2, 0, 1), FINEST)
    high, wide = pixels.shape[1:]
    return element("img", src=png(pixels.transpose(1, 2, 0)), alt=alt, width=wide, height=high, data_tip="\n".join(tip))


def png(pixels: np.ndarray) -> str:
    """A picture, (y, x, red green blue) in [0, 1], as an address that holds all of it."""
    file = io.BytesIO()
    Image.fromarray(np.round(255 * pixels).astype(np.uint8)).save(file, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def _left_out(answer: xr.Dataset, rows: list[Row]) -> str:
    images, layers = answer.sizes["image"], answer.sizes["layer"]
    shown = len(rows[0].pictures)
    side = coarse(rows[0].original.pixels.transpose(2, 0, 1), FINEST)[1]
    first = (
        "Colours beyond [0, 1] are cut off" if known(answer) else "Colours go from the image's least to its greatest"
    )
    return sentence(
        first,
        f"{len(rows)} of {images} images" if len(rows) < images else "",
        f"{shown} of {layers} layers" if shown < layers else "",
        f"each pixel the mean of {side} × {side}" if side > 1 else "",
    )
