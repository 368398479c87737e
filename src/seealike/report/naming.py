"""What dimensions, their elements and variables are called on the page."""

import xarray as xr


def names(array: xr.DataArray, axis: int) -> list[str]:
    """The elements of one dimension by name, or by number where they have none."""
    dim = array.dims[axis]
    return [str(name) for name in array[dim].values]


def numbered(array: xr.DataArray, dim) -> bool:
    """Whether the elements of a dimension are numbers, which say little without its name: `head 3`."""
    return array[dim].dtype.kind in "fiu" and not str(dim).startswith("layer")


def model_of(layer: str) -> str:
    """`vit` of `vit:blocks.3`; nothing where no model is named."""
    model, colon, _ = layer.partition(":")
    return model if colon else ""


def called(array: xr.DataArray) -> str:
    """What a variable is called: its long name, or its name without underscores."""
    return str(array.attrs.get("long_name") or str(array.name or "value").replace("_", " "))


def unit(array: xr.DataArray) -> str:
    """The unit of a variable; nothing for pure numbers."""
    found = str(array.attrs.get("units") or "")
    return "" if found == "1" else found


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "layer"), counted(2048, "image")
    ('1 layer', '2,048 images')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"
