"""A backtest as a sheet: the forecast's scores beside the seasonal naive's."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from capacity.backtest import Backtest
from capacity.edge.screen import Sheet


def backtest_sheet(result: Backtest, name: str) -> Sheet:
    """The scores of the forecast beside the seasonal naive's, and what they mean."""
    columns = ("score", "forecast", "naive", "means")
    return Sheet(f"Backtest of {name}", columns, _rows(result), _document(result, name), _footer(result))


def _rows(result: Backtest) -> list[tuple[str, str, str, str]]:
    scores = result.scores
    return [
        ("MASE", f"{scores.mase:.3f}", f"{result.naive_mase:.3f}", "error over that of the seasonal naive before"),
        ("sMAPE", f"{scores.smape:.1f}", "", "symmetric percentage error, 0 to 200"),
        ("WAPE", f"{scores.wape:.3f}", "", "absolute error over all sales"),
        ("WQL", f"{scores.wql:.3f}", "", "weighted quantile loss"),
        ("MSIS", f"{scores.msis:.2f}", "", "95 % interval: width and misses"),
        *(
            (f"coverage {level:g}", f"{share:.3f}", "", f"share of steps at or under quantile {level:g}")
            for level, share in scores.coverage.items()
            if level > 0.5
        ),
    ]


def _footer(result: Backtest) -> tuple[str, str]:
    low, high = result.skill_interval
    verdict = "better than" if low > 0 else "no worse than" if result.skill >= 0 else "worse than"
    naive = f"the seasonal naive of {result.season_length} steps"
    return (
        f"skill {result.skill:.3f} (95 % {low:.3f} to {high:.3f}): {verdict} {naive}",
        f"model at the last origin: {result.models[-1]}",
    )


def _document(result: Backtest, name: str) -> dict[str, Any]:
    scores = result.scores
    return {
        "name": name,
        "skill": round(result.skill, 6),
        "skill_interval": [round(bound, 6) for bound in result.skill_interval],
        "season_length": result.season_length,
        "naive_mase": round(result.naive_mase, 6),
        **{score: round(getattr(scores, score), 6) for score in ("mase", "smape", "wape", "wql", "msis")},
        "pinball": {f"{level:g}": round(loss, 6) for level, loss in scores.pinball.items()},
        "coverage": {f"{level:g}": round(share, 6) for level, share in scores.coverage.items()},
        "by_horizon": _records(result.by_horizon()),
        "in_events": _records(result.in_events()),
        "models": list(result.models),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.reset_index().to_json(orient="records", double_precision=6))
    return rows
