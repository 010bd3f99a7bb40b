"""Corrupted days of orders, and clean ones: how many the audit notices, and how often it raises a false alarm."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from benchmarks.datasets import find
from capacity.model import CapacityError
from capacity.series.calendar import holiday_events
from capacity.sources.orders import audit_sales
from capacity.sources.sample import sample_orders

HISTORY = 126  # days before the day that is corrupted or clean
CLEAN_DAYS, QUICK_CLEAN = 20, 4  # of each data set; limits of the detectors were chosen on days between these
RIDES = "bike_sharing/hourly_rentals.csv.gz"
COUNTED = ("tried", "found", "clean_days", "false_alarms")
RULES = [
    {"name": "price", "check": "price > 0"},
    {"name": "quantity", "range": {"column": "quantity", "min": 1, "max": 1000}},
]
SELECT = [{"name": "not_cancelled", "check": "status <> 'cancelled'"}]
SETTINGS: dict[str, Any] = {"time": "ordered", "group": "country", "rules": RULES, "select": SELECT}


@dataclass(frozen=True, slots=True)
class Orders:
    """Order lines of many days in `lines`, what they are counted by, and the days that may be judged."""

    name: str
    counts: pd.Series  # orders per hour
    value: dict[str, Any]
    days: tuple[pd.Timestamp, ...]


def some(percent: int, salt: int = 1) -> str:
    """Whether a line is among so many percent of the orders, always the same ones.

    >>> some(5)
    'hash(order_id + 1000003 * 1) % 100 < 5'
    """
    return f"hash(order_id + 1000003 * {salt}) % 100 < {percent}"


def lines(percent: int, salt: int = 1) -> str:
    """Whether a line is among so many percent of the lines."""
    return f"hash(order_id, product, {salt}) % 100 < {percent}"


def without(condition: str) -> str:
    """The day without some of its lines."""
    return f"SELECT * FROM day WHERE NOT coalesce({condition}, false)"


def changed(column: str, value: str, condition: str = "true") -> str:
    """The day with a column replaced in some of its lines."""
    return f"SELECT * REPLACE (CASE WHEN {condition} THEN {value} ELSE {column} END AS {column}) FROM day"


def doubled(condition: str = "true") -> str:
    """The day with some of its lines twice."""
    return f"SELECT * FROM day UNION ALL SELECT * FROM day WHERE {condition}"


# Queries over `day` (the newest day's lines) and `earlier`; each gives the day's lines as they arrive.
KNOWN = {  # written before the detectors were finished, and looked at while their limits were chosen
    "loss: nothing after noon": without("hour(ordered) >= 12"),
    "loss: nothing before noon": without("hour(ordered) < 12"),
    "loss: four busy hours": without("hour(ordered) BETWEEN 10 AND 13"),
    "loss: all of the day but one order in ten": without(f"NOT {some(10)}"),
    "loss: two thirds of the orders": without(some(67)),
    "loss: half of the lines": without(lines(50)),
    "loss: the largest country": without("country = 'GB'"),
    "loss: every country but the largest": without("country <> 'GB'"),
    "duplication: every line twice": doubled(),
    "duplication: a third of the lines twice": doubled(lines(33)),
    "duplication: the morning twice": doubled("hour(ordered) < 12"),
    "duplication: the day before copied": "SELECT * REPLACE (ordered + INTERVAL 7 DAY AS ordered) FROM week_before",
    "composition: country empty in a tenth": changed("country", "NULL", lines(10)),
    "composition: status empty": changed("status", "NULL", lines(40)),
    "composition: price empty": changed("price", "NULL", lines(8)),
    "composition: one country takes all": changed("country", "'GB'"),
    "composition: countries in lower case": changed("country", "lower(country)"),
    "composition: everything cancelled": changed("status", "'cancelled'", some(60)),
    "clock: three hours late": changed("ordered", "ordered + INTERVAL 3 HOUR"),
    "clock: five hours early": changed("ordered", "ordered - INTERVAL 5 HOUR"),
    "clock: all at midnight": changed("ordered", "date_trunc('day', ordered)"),
    "clock: cut to hours": changed("ordered", "date_trunc('hour', ordered)"),
    "schema: price in cents": changed("price", "price * 100"),
    "schema: quantity is zero": changed("quantity", "0", lines(30)),
}
HELD_BACK = {  # written after the detectors, whose limits were not moved for them
    "loss: all after four in the afternoon": without("hour(ordered) >= 16"),
    "loss: every other hour": without("hour(ordered) % 2 = 0"),
    "loss: nine tenths of the lines": without(lines(90, 2)),
    "loss: the large orders": without("amount > 15"),
    "loss: two of six countries": without("country IN ('DE', 'FR')"),
    "loss: the afternoon of one country": without("country = 'GB' AND hour(ordered) >= 13"),
    "loss: odd order numbers": without("order_id % 2 = 1"),
    "duplication: every line three times": "SELECT day.* FROM day, range(3)",
    "duplication: a tenth of the lines again": doubled(lines(10, 3)),
    "duplication: again under new numbers": (
        "SELECT * FROM day UNION ALL SELECT * REPLACE (order_id + 10000000 AS order_id) FROM day"
    ),
    "duplication: yesterday's lines again": (
        "SELECT * FROM day UNION ALL SELECT * FROM earlier "
        "WHERE ordered >= (SELECT max(ordered) FROM earlier) - INTERVAL 1 DAY"
    ),
    "duplication: one line a thousand times": (
        "SELECT * FROM day UNION ALL SELECT one.* FROM (FROM day LIMIT 1) one, range(1000)"
    ),
    "composition: an unknown country": changed("country", "'XX'", some(12, 4)),
    "composition: two countries swapped": changed(
        "country", "CASE country WHEN 'GB' THEN 'DE' WHEN 'DE' THEN 'GB' ELSE country END"
    ),
    "composition: countries written out": changed("country", "CASE country WHEN 'DE' THEN 'Germany' ELSE country END"),
    "composition: blanks after the country": changed("country", "country || ' '"),
    "composition: test orders": (
        "SELECT * FROM day UNION ALL SELECT * REPLACE ('ZZ' AS country, 0.01 AS price) FROM day "
        "WHERE hash(product) % 4 = 0"
    ),
    "composition: a new status": changed("status", "'pending'", some(30, 5)),
    "clock: an hour late": changed("ordered", "ordered + INTERVAL 1 HOUR"),
    "clock: eight hours early": changed("ordered", "ordered - INTERVAL 8 HOUR"),
    "clock: half of the lines six hours late": changed("ordered", "ordered + INTERVAL 6 HOUR", some(50, 6)),
    "clock: loaded in the night's batch": changed(
        "ordered", "date_trunc('day', ordered) + INTERVAL 2 HOUR", some(60, 7)
    ),
    "clock: afternoon written as morning": changed("ordered", "ordered - INTERVAL 12 HOUR", "hour(ordered) >= 13"),
    "schema: price as whole numbers": changed("price", "round(price)"),
    "schema: negative quantity": changed("quantity", "-quantity", lines(20, 8)),
    "schema: price of zero": changed("price", "0", lines(15, 9)),
}


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Corruptions tried and found, clean days and false alarms: of all, of each data set, and of each kind."""
    found = figures(tuple(data_sets(data)), KNOWN | HELD_BACK, QUICK_CLEAN if quick else CLEAN_DAYS, quick=quick)
    counted = {name: {key: row[key] for key in COUNTED} for name, row in found.items()}
    return {"detect": total(found), **counted, **by_kind(found)}


def by_kind(found: dict[str, Any]) -> dict[str, Any]:
    """Corruptions tried and found by kind, and of those that were written after the detectors."""
    tried = [name for row in found.values() for name in row["names"]]
    missed = [name for row in found.values() for name in row["missed"]]
    kinds = dict.fromkeys(name.split(":")[0] for name in tried)
    chosen = {kind: [name for name in KNOWN | HELD_BACK if name.startswith(f"{kind}:")] for kind in kinds}
    chosen["written after the detectors"] = list(HELD_BACK)
    return {
        kind: {
            "tried": sum(map(tried.count, names)),
            "found": sum(map(tried.count, names)) - sum(map(missed.count, names)),
        }
        for kind, names in chosen.items()
    }


def data_sets(data: Path) -> Iterator[Orders]:
    """The orders of the bundled retailer, rides of a bicycle hire, and a shop that is invented; lines are drawn."""
    retail = pd.read_csv(sample_orders(), index_col=0, parse_dates=True)["orders"].astype(int)
    yield Orders("retailer", retail, {"count_distinct": "order_id"}, _days("2010-08-02", "2011-11-30", "GB"))
    source = find(data, RIDES, "detect")
    if source is not None:
        rides = pd.read_csv(source, index_col=0, parse_dates=True)["users"]
        thinned = pd.Series(np.random.default_rng(3).binomial(rides.astype(int), 0.2), rides.index)
        yield Orders("rides", thinned, {"rows": True}, _days("2011-06-01", "2012-11-30", "US"))
    yield Orders("invented", _invented(), {"sum": "amount"}, _days("2026-05-20", "2026-11-28", "GB"))


def _days(first: str, last: str, country: str) -> tuple[pd.Timestamp, ...]:
    """The days of a range that are no public holidays, nor between Christmas and the first days of January."""
    days = pd.date_range(first, last, freq="D")
    begin, end = days[0].tz_localize("UTC").to_pydatetime(), days[-1].tz_localize("UTC").to_pydatetime()
    holidays = {event.start.date() for event in holiday_events([country], begin, end)}
    return tuple(
        day
        for day in days
        if day.date() not in holidays and not (day.month, day.day) >= (12, 22) and day.day_of_year > 5
    )


def _invented() -> pd.Series:
    """A shop of 400 orders a day with evenings, weekends, slow growth and more spread than chance."""
    index = pd.date_range("2026-01-01", "2026-11-30", freq="h", inclusive="left")
    hour, weekend = index.hour.to_numpy(), index.day_of_week.to_numpy() >= 5
    shape = 0.15 + np.exp(-(((hour - 12) / 3.5) ** 2)) + 1.4 * np.exp(-(((hour - 20) / 2.5) ** 2))
    level = 24 * (1 + 0.3 * np.arange(len(index)) / len(index)) * np.where(weekend, 1.5, 1.0)
    random = np.random.default_rng(7)
    busy = np.repeat(random.gamma(60, 1 / 60, len(index) // 24), 24)
    return pd.Series(random.poisson(shape * level * busy * random.gamma(25, 1 / 25, len(index))), index)


def figures(sets: tuple[Orders, ...], corruptions: dict[str, str], clean: int, *, quick: bool) -> dict[str, Any]:
    """Per data set: tried, found, clean_days, false_alarms; which were tried and missed, and the days of alarms."""
    found = {}
    for place, orders in enumerate(sets):
        with Trial(orders) as trial:
            alarms = [day for day in _spread(orders.days, clean) if trial.alarms(day, None)]
            names = list(corruptions)[place :: len(sets)] if quick else list(corruptions)
            days = _spread(orders.days, 7)
            days = tuple(day for day in days if day.day_of_week not in (5, 6))
            missed = [
                name
                for number, name in enumerate(names)
                if not trial.alarms(days[number % len(days)], corruptions[name])
            ]
            found[orders.name] = {
                "tried": len(names),
                "found": len(names) - len(missed),
                "clean_days": clean,
                "false_alarms": len(alarms),
                "names": names,
                "missed": missed,
                "alarms": [f"{day:%Y-%m-%d}" for day in alarms],
            }
    return found


def total(found: dict[str, Any]) -> dict[str, Any]:
    """The sums over all data sets."""
    return {name: sum(row[name] for row in found.values()) for name in COUNTED}


def _spread(days: tuple[pd.Timestamp, ...], count: int) -> tuple[pd.Timestamp, ...]:
    """So many days, evenly from all: the same in every run."""
    return tuple(days[round(place)] for place in np.linspace(0, len(days) - 1, count))


class Trial:
    """The lines of a data set in a database, from which each day's file is written and audited."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.database = duckdb.connect()
        self.folder = tempfile.TemporaryDirectory()
        drawn = draw_lines(orders.counts)
        self.database.register("drawn", drawn)
        self.database.execute("CREATE TABLE lines AS FROM drawn; SET enable_progress_bar = false")

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *failure: object) -> None:
        self.database.close()
        self.folder.cleanup()

    def alarms(self, day: pd.Timestamp, corruption: str | None) -> bool:
        """Whether the audit of the lines up to the end of a day has a verdict that is not ok."""
        file = Path(self.folder.name) / "orders.parquet"
        begin, end = day - pd.Timedelta(days=HISTORY), day + pd.Timedelta(days=1)
        week = day - pd.Timedelta(days=7)
        self.database.execute(
            f"CREATE OR REPLACE TEMP VIEW earlier AS FROM lines WHERE ordered >= '{begin}' AND ordered < '{day}'; "
            f"CREATE OR REPLACE TEMP VIEW day AS FROM lines WHERE ordered >= '{day}' AND ordered < '{end}'; "
            f"CREATE OR REPLACE TEMP VIEW week_before AS FROM lines WHERE ordered >= '{week}' "
            f"AND ordered < TIMESTAMP '{week}' + INTERVAL 1 DAY"
        )
        newest = corruption or "FROM day"
        query = f"FROM earlier UNION ALL BY NAME ({newest}) ORDER BY ordered"
        self.database.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet)")
        try:
            audit = audit_sales(file, value=self.orders.value, **SETTINGS)
        except CapacityError:
            return True
        return audit.verdict != "ok"


def draw_lines(counts: pd.Series, seed: int = 11) -> pd.DataFrame:
    """Lines of orders that came in each hour: when, whose, where, what and for how much; a seed draws the same."""
    random = np.random.default_rng(seed)
    orders = np.repeat(np.arange(len(counts)), counts.to_numpy())
    within = random.integers(0, 3600, len(orders))
    order = np.lexsort((within, orders))
    orders, within = orders[order], within[order]
    times = counts.index.to_numpy()[orders].astype("datetime64[s]") + within.astype("timedelta64[s]")
    ids = 100_000 + np.cumsum(random.integers(1, 3, len(orders)) * (random.random(len(orders)) < 0.1) + 1)
    per_order = random.geometric(0.4, len(orders))
    line = np.repeat(np.arange(len(orders)), per_order)
    countries = np.array(["GB", "DE", "FR", "NL", "ES", "SE"])
    country = random.choice(countries, len(orders), p=[0.6, 0.14, 0.1, 0.08, 0.05, 0.03])
    price = np.round(np.exp(random.normal(2.0, 0.8, len(line))) + 0.5, 2)
    quantity = random.geometric(0.35, len(line))
    return pd.DataFrame(
        {
            "ordered": times[line],
            "order_id": ids[line],
            "customer": random.zipf(1.3, len(orders)).clip(max=50_000)[line],
            "country": country[line],
            "status": np.where(random.random(len(orders)) < 0.03, "cancelled", "paid")[line],
            "product": random.integers(0, 900, len(line)),
            "quantity": quantity,
            "price": price,
            "amount": np.round(price * quantity, 2),
        }
    )
