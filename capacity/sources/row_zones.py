"""Time zones that a column names for each row: taken where all rows have one, refused where they have several."""

from __future__ import annotations

from capacity.model.settings import SalesSettings
from capacity.quality import Finding
from capacity.quality.composition import shown
from capacity.quality.zone_names import named_zone
from capacity.sources.columns import zones_of_rows
from capacity.sources.judging import Judgement, Source
from capacity.sources.sql import quote

MOST = 100  # different zones that are looked at
FEW = 0.001  # share of rows of other zones that changes no plan
NAMED = 3  # zones that a message names


def on_clock_of_rows(source: Source, settings: SalesSettings) -> SalesSettings:
    """The settings with the time zone that nearly all rows name in a column of their own, where they name none."""
    for name in zones_of_rows(settings, list(source.columns)):
        zones = _zones(source, name)
        if len(zones) == 1 and (zone := named_zone(next(iter(zones)))) is not None:
            return settings.model_copy(update={"timezone": zone})
    return settings


def row_zone_findings(judgement: Judgement, asked: SalesSettings) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """What is wrong with the zones that rows name beside times without one, and what was taken of them, in words.

    `asked` are the settings before the zone of the rows was taken.
    """
    source = judgement.source
    if not judgement.time.local or asked.timezone is not None:
        return (), ()
    for name in zones_of_rows(asked, list(source.columns)):
        zones = _zones(source, name)
        if judgement.settings.timezone is not None and len(zones) == 1:
            return (), (
                f"times are read in {judgement.time_zone()}, as {name} says in all rows; if they are on another clock, "
                "set sales.timezone",
            )
        if zones:
            return (_refused(judgement, name, zones),), ()
    return (), ()


def _refused(judgement: Judgement, name: str, zones: dict[str, int]) -> Finding:
    time = judgement.settings.time
    listed = ", ".join(f"{shown(zone)} in {count:,} rows" for zone, count in list(zones.items())[:NAMED])
    if len(zones) > 1:
        said = (
            f"{time}: expected times on one clock, got times without a zone and in {name} {listed}: export {time} with "
            "its offset, or set sales.timezone if all are on one clock"
        )
        return Finding("time_zones", "refuse", said)
    said = (
        f"{time}: expected a time zone that is known, got {listed} in {name}, while times are read in "
        f"{judgement.time_zone()}: set sales.timezone to the clock of the times"
    )
    return Finding("time_zones", "warn", said)


def _zones(source: Source, column: str) -> dict[str, int]:
    """The zones that rows name, with their rows, the most frequent first; those of next to no row left out."""
    text = f"trim(CAST({quote(column)} AS VARCHAR))"
    query = f"SELECT {text} AS zone, count(*) FROM orders WHERE {text} != '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST}"
    found = dict(source.database.execute(query).fetchall())
    return {zone: count for zone, count in found.items() if count > FEW * sum(found.values())}
