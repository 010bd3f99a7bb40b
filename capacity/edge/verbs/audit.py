"""The verb that judges the orders, and shows how their quality went over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.bulletin import Bulletin
from capacity.edge.face import DONE, HELD, Face, read_clock, read_duration, verb
from capacity.edge.logs import LOGGER
from capacity.edge.options import Data

HistoryOption = Annotated[Path, typer.Option(help="Folder that keeps every audit, one Parquet file each.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Show the audits of the last 7d, 24h, ... instead of a new one.")
]


@verb
def audit(
    face: Face,
    data: Data,
    *,
    quarantine: Annotated[Path, typer.Option(help="Where bad rows go.")] = Path("quarantine.parquet"),
    history: HistoryOption = Path("audits"),
    since: SinceOption = None,
) -> int:
    """Judge the orders: score, failures by rule, freshness. Bad rows are kept in a quarantine file, never dropped.

    Metrics, alerts and tickets of the configuration are told of it, unless it looks at another FILE.
    Exit code 0: ok or a warning; 3: refused, no plan would be made. Every audit is kept; --since shows how they went.

    Example: capacity audit orders.csv -c capacity.yaml
    """
    if since is not None:
        return _show_history(face, history, since)
    from capacity.edge.orders.audits import append_audit, audit_orders, compared, read_audits
    from capacity.edge.orders.table import OrderTable
    from capacity.edge.sheets import audit_sheet

    config = data.config(face)
    now = read_clock(None)
    with (
        face.stages("reading and judging orders", "writing") as advance,
        OrderTable.load(config.orders(), config.timezone, now) as table,
    ):
        report = compared(audit_orders(table, config).at(now), read_audits(history))
        advance()
        written = table.write_quarantine(quarantine) if report.quarantined else 0
        append_audit(history, report, now)
        advance()
    face.show(audit_sheet(report, now, str(quarantine) if written else None))
    bulletin = Bulletin.silent() if data.foreign else Bulletin.of(config)
    for warning in bulletin.audited(report, now):
        LOGGER.warning("%s", warning)
    return HELD if report.verdict == "refuse" else DONE


def _show_history(face: Face, folder: Path, since: str) -> int:
    from capacity.edge.orders.audits import read_audits
    from capacity.edge.sheets import history_sheet

    if not folder.is_dir():
        raise ConfigError(f"--history: no folder {folder}: audits are kept there once `capacity audit` has run")
    history = read_audits(folder, read_clock(None) - read_duration("--since", since))
    face.show(history_sheet(history))
    latest = history.audits.iloc[-1]["verdict"] if len(history.audits) else "ok"
    return HELD if latest == "refuse" else DONE
