"""What several searches from one layer come to: ratios, verdicts, how far apart the pictures are, and means of all."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

NON_UNIQUE, NOT_SHOWN, NOT_CONVERGED = "non-unique", "not shown", "not converged"
FAR = 2.0  # times the distance of the noisy image: another picture
AVERAGED = ("m_g", "m_i", "rho_out", "rho_in", "error", "psnr", "ssim", "m_i_last", "error_last")
STARTS = ("image", "start")


def ratios(found: xr.Dataset) -> dict[str, xr.DataArray]:
    """Distances relative to those of the noisy image, and in the layer relative to its norm; of no distance, 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            f"{name}{which}": (found[f"{of}{which}"] / found[by]).where(found[f"{of}{which}"] > 0, 0.0)
            for which in ("", "_last")
            for name, of, by in (("rho_out", "m_g", "m_r"), ("rho_in", "m_i", "i_r"), ("error", "m_g", "norm"))
        }


def verdicts(out: np.ndarray, into: np.ndarray) -> np.ndarray:
    """What a search shows of an image: METHODS C2.

    >>> verdicts(np.array([0.5, 0.5, 1.5]), np.array([3.0, 1.0, 3.0])).tolist()
    ['non-unique', 'not shown', 'not converged']
    """
    return np.where(~(out < 1), NOT_CONVERGED, np.where(into > FAR, NON_UNIQUE, NOT_SHOWN))


def solutions(pictures: np.ndarray, converged: np.ndarray) -> dict[str, np.ndarray]:
    """Of the pictures (image, layer, start, ...) that converged: the mean distance of two, their mean and deviation.

    NaN where there are too few: two of them for a distance or a deviation.
    """
    kept = converged.reshape(*converged.shape, 1, 1, 1)
    count = converged.sum(2)
    one, two = (np.where(count < least, np.nan, count).reshape(*count.shape, 1, 1, 1) for least in (1, 2))
    mean = np.where(kept, pictures, 0).sum(2) / one
    squares = np.where(kept, (pictures - mean[:, :, None]) ** 2, 0).sum(2)
    apart = [
        np.where(converged[:, :, i] & converged[:, :, j], _distance(pictures[:, :, i], pictures[:, :, j]), np.nan)
        for i in range(pictures.shape[2])
        for j in range(i)
    ]
    pairs = np.stack(apart) if apart else np.full((1, *count.shape), np.nan)
    known = np.isfinite(pairs)
    pairwise = np.where(known, pairs, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
    return {"pairwise": pairwise, "solution_mean": mean, "solution_sd": np.sqrt(squares / (two - 1))}


def averages(found: xr.Dataset, also: Iterable[str] = ()) -> dict[str, xr.DataArray]:
    """Means over images and starts, layer by layer; `also` of these variables."""
    answered = {f"mean_{name}": found[name].mean(STARTS, skipna=False) for name in (*AVERAGED, *also)}
    converged = found["rho_out"] < 1
    answered["non_unique"] = (converged & (found["rho_in"] > FAR)).mean(STARTS)
    answered["not_converged"] = (~converged).mean(STARTS)
    logs = found["rho_in"].where(converged)
    answered["log_rho_in"] = logs.copy(data=np.log(logs.values)).mean(STARTS)
    answered["spread"] = found["pairwise"].mean("image")
    answered["trace_error"] = (found["trace_g"] / found["norm"]).mean(STARTS)
    answered["trace_m_i"] = found["trace_i"].mean(STARTS)
    return answered


def _distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sqrt(((one - other) ** 2).sum((-3, -2, -1)))
