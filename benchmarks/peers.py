"""Peers that are measured in the same run: statsforecast's models and Prophet, at their defaults."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from capacity.model.arrays import Array


class RegularProphet:
    """Prophet behind statsforecast's call: values of one step in, mean and the central 95 % interval out."""

    def __init__(self, step: str) -> None:
        from prophet import Prophet

        logging.getLogger("cmdstanpy").setLevel(logging.ERROR)
        logging.getLogger("prophet").setLevel(logging.ERROR)
        self.make, self.step = Prophet, step

    def forecast(self, y: Array, h: int, level: list[int]) -> dict[str, Array]:
        """The coming `h` steps after `y`; times are made up, from a Monday on."""
        times = pd.date_range("2024-01-01", periods=len(y) + h, freq=self.step)
        model = self.make(interval_width=level[0] / 100, daily_seasonality=self.step == "h", weekly_seasonality=True)
        model.fit(pd.DataFrame({"ds": times[: len(y)], "y": y}))
        ahead = model.predict(pd.DataFrame({"ds": times[len(y) :]}))
        named = {"mean": "yhat", f"lo-{level[0]}": "yhat_lower", f"hi-{level[0]}": "yhat_upper"}
        return {name: ahead[column].to_numpy(dtype=np.float64) for name, column in named.items()}


def hourly_peers() -> dict[str, Any]:
    """Models of hourly series that are installed here, by name."""
    peers: dict[str, Any] = {}
    try:
        from statsforecast import models

        peers |= {
            "SeasonalNaive 24": models.SeasonalNaive(24),
            "SeasonalNaive 168": models.SeasonalNaive(168),
            "DynamicOptimizedTheta": models.DynamicOptimizedTheta(24),
            "MSTL-AutoETS": models.MSTL([24, 168], trend_forecaster=models.AutoETS(model="ZZN")),
            "AutoETS": models.AutoETS(24),
        }
    except ImportError:
        peers["statsforecast"] = None
    try:
        peers["Prophet"] = RegularProphet("h")
    except ImportError:
        peers["Prophet"] = None
    return peers


def daily_peers() -> dict[str, Any]:
    """Models of daily series that are installed here, by name."""
    peers: dict[str, Any] = {}
    try:
        from statsforecast import models

        peers |= {
            "MSTL-AutoETS": models.MSTL([7, 364], trend_forecaster=models.AutoETS(model="ZZN")),
            "AutoETS": models.AutoETS(7),
        }
    except ImportError:
        peers["statsforecast"] = None
    try:
        peers["Prophet"] = RegularProphet("D")
    except ImportError:
        peers["Prophet"] = None
    return peers
