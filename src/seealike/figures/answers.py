"""What a figure takes from an answer besides its values: a title, and the standard errors if there are any."""

from typing import Any

import xarray as xr

from seealike.errors import StudyError


def errors(dataset: xr.Dataset, name: str, asked: bool) -> xr.DataArray | None:
    """The standard errors of a variable; refused where they were asked for and the answer has none."""
    if asked and f"{name}_se" not in dataset:
        raise StudyError(f"this answer has no {name}_se, so error=True has nothing to draw. Leave it out.")
    return dataset.get(f"{name}_se")


def title(attrs: dict[str, Any]) -> str:
    """`vit, resnet; 2,048 images; batch 256`: as much of it as the answer says."""
    models, images = list(attrs.get("models") or ()), attrs.get("images") or {}
    said = [", ".join(models) if len(models) <= 4 else f"{len(models)} models"]
    said += [f"{images['count']:,} images"] if images.get("count") else []
    said += [f"batch {attrs['batch']}"] if "batch" in attrs else []
    return "; ".join(part for part in said if part)
