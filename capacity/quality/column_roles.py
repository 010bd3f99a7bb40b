"""Guesses which columns of an undescribed file hold times, amounts and order numbers, from names and a sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np

from capacity.model.arrays import Array
from capacity.model.settings import SalesSettings
from capacity.quality.time_forms import NUMBER_FORMS, looks_like_time

Kind = Literal["time", "number", "text"]
DAY, HOUR, COARSE = 86_400, 3_600, 900
READABLE = 0.9  # share of values that read as times, from which a column of text holds times
TIME_NAMES = (  # the best names of an order's time first
    r"\border(ed)?\b.*\b(date|time|datetime|at|on|dt|ts)\b|\bbestell\w*|\bauftrag\w*dat|\bfecha.*pedido",
    r"\bcreated?\b|\bplaced\b|\bpurchase\w*|\bsold\b|\binvoice\b.*\bdat|\brechnungsdat|\bpick ?up\b|\bstart\w*|"
    r"\bbooked\b",
    r"\b(date|time|datetime|timestamp|datum|zeit|zeitpunkt|fecha|data|ds|dt|day|dteday|tag|hour|ts|when|period)\b|dat(e|um)|"
    r"\b(er|au|bu|bl|fk)dat\b",  # of SAP
)
LATER_TIMES = (  # what happens to an order after it was placed, and dates that are no event at all
    r"\b(ship\w*|deliver\w*|due|paid|fulfil\w*|cancel\w*|refund\w*|updated?|modified|drop ?off|end(ed)?|closed?|"
    r"expir\w*|birth\w*|registered|return\w*|process\w*|arriv\w*|transfer|available|versand\w*|zahl\w*|liefer\w*)\b"
)
CLOCK_NAMES = r"\b(hour|hours|hr|time|clock|uhrzeit|zeit|stunde|heure|hora|ora|tijd|uur)\b"
CLOCK = r"([01]?\d|2[0-3])([:.][0-5]\d){0,2}([.,]\d+)?( ?[AaPp]\.?[Mm]\.?)?"
NUMBER = (
    r"(?:id|ids|no|nr|nro|num|number|nummer|numero|número|numéro|numer|n|nº|nbr|key|ref|reference|folio|uuid|guid|code)"
)
ORDER = (  # one of them: in English, German, Spanish, Portuguese, French, Italian, Dutch, Nordic languages and Polish
    r"(?:order|ord|bestell(?:ungs?)?|auftrags?|pedido|encomenda|commande|ordine|bestel(?:ling)?|ordre|bestillings?|"
    r"beställnings?|tilaus|zamówienia|increment)"
)
RECEIPT = (
    r"(?:invoice|receipt|transaction|trans|txn|booking|basket|sale|reservation|checkout|docket|rechnungs?|beleg|bon|"
    r"kassenbon|kassen ?beleg|kassenzettel|quittungs?|buchungs?|transaktions?|vorgangs|factura|recibo|boleta|fatura|"
    r"tal[aã]o|facture|reçu|fattura|scontrino|ricevuta|factuur|kassabon|faktura|kvitterings?|kvittos?|bong|paragonu?)"
)
OF = r"(?:de la|de|du|do|da|di|del|della|dello|van de|van|af|the|of)"
OF_IT = r"(?: (?:price|amount|total|value|sum|count|date|time|at|type|status|state|currency|betrag|datum|summe))"
ID_NAMES = (  # the best names of an order's number first
    rf"\b{ORDER} ?{NUMBER}\b|\b{NUMBER} (?:{OF} )?{ORDER}\b(?!{OF_IT})",
    rf"\b{RECEIPT} ?{NUMBER}\b|\b{NUMBER} (?:{OF} )?{RECEIPT}\b|\b{RECEIPT}\b(?!{OF_IT})|"
    rf"\b(?:ticket|check|bill) {NUMBER}\b|\b{NUMBER} (?:{OF} )?ticket\b",
    r"^(id|nummer|number|numero|número|numéro|no|nr|nº|name|uuid|folio)$",
)
HOUR_NAMES = r"(h|hr|hour|std|stunde|heure|hora)?[ _]?([01]?\d|2[0-4])([:.]?00(:00)?)?( ?(h|uhr|am|pm))?( ?-.*)?"
ALONE = rf"^(?:{ORDER}|bestellung|auftrag|bestilling|beställning|ticket|booking|invoice|receipt)$"  # by its noun alone
AMOUNT_NAMES = (  # what is counted per step, the nearest to work done first
    r"\b(orders?|bestellungen|pedidos|auftr\w+)\b",
    r"\b(transactions?|bookings?|trips?|rides?|purchases|checkouts?|requests?|hits|calls|rentals?|tickets|receipts|checks|"
    r"covers)\b|(?<!net )(?<!gross )\bsales\b",
    r"\b(count|cnt|n|num|users?|visits?|visitors?|sessions?|page ?views?|views?|passengers?|volume|anzahl)\b",
    r"\b(quantity|qty|units?|items?|menge|lines)\b",
    r"\b(value|y|load|demand|cpu usage|usage)\b",
    r"\b(revenue|amount|total|umsatz|betrag|gross|net|price)\b",
)
NO_AMOUNT = (  # numbers that describe a step and add up to nothing
    r"\b(hour|day|weekday|week|month|year|quarter|season|holiday|workingday|temp\w*|hum\w*|wind\w*|lat|latitude|lon|lng|long|longitude|id|"
    r"index|unnamed|zip|post ?code|plz|phone|rate|ratio|pct|percent|column\d*|code|key|tax|nbr|nr|avg|average|mean|"
    r"median|per)\b"
)
STATES = r"\b(status|state|financial status|zustand|estado)\b|\b(event|transaction) type\b"
LEAST_IDS = 0.005  # distinct identifiers over rows: an order of more than two hundred lines is none
REGULAR = 0.9  # share of distances that equal the usual one, from which times stand on a grid
FINE_REGULAR = 0.95  # the same for times closer than a quarter of an hour
NUMBERED = r"\b(no|nr|num|number|nummer)\b|nummer$|(?<=\w)(nr|id)$|\w id$"  # an order's number, and no row's mere id


@dataclass(frozen=True, slots=True)
class Column:
    """What a sample of rows shows of one column.

    `filled` and `distinct` count rows with a value and different values; `lowest` is the smallest number (None: no
    numbers); `values` are some of the values as text; `typed`: the reader already knows them for times.
    """

    name: str
    kind: Kind
    filled: int
    distinct: int
    lowest: float | None = None
    highest: float | None = None
    values: tuple[str, ...] = ()
    typed: bool = False

    @property
    def words(self) -> str:
        """The name as lower-case words.

        >>> Column("tpep_pickupDateTime", "time", 1, 1).words
        'tpep pickup date time'
        """
        apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", self.name.replace("#", " number "))
        return re.sub(r"[\W_]+", " ", apart).strip().lower()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How the times of a sample lie: `step` between them where they stand on a grid, else None.

    `together`: rows per different time; `whole_days`: no row has a time of day.
    """

    together: float
    whole_days: bool
    step: timedelta | None = None

    @staticmethod
    def of(seconds: Array) -> Rhythm:
        """Of times in seconds since 1970.

        >>> Rhythm.of(np.arange(5) * 3600.0)
        Rhythm(together=1.0, whole_days=False, step=datetime.timedelta(seconds=3600))
        """
        times = np.unique(seconds[np.isfinite(seconds)])
        if len(times) < 2:
            return Rhythm(float(max(1, len(seconds))), bool(len(times)) and not (times % DAY).any())
        apart = np.diff(times)
        usual = float(np.median(apart))
        offsets = np.unique(times % DAY)
        whole = len(offsets) == 1 or (len(offsets) == 2 and float(offsets[1] - offsets[0]) in (HOUR, DAY - HOUR))
        multiples = np.abs(apart / usual - np.round(apart / usual)) < 1e-6
        alike = float((np.abs(apart - usual) < 0.5).mean())
        enough = 0.5 if usual >= COARSE else FINE_REGULAR  # orders may follow each other by the minute
        on_grid = bool(multiples.mean() >= REGULAR and alike > enough) or whole
        step = timedelta(seconds=usual) if on_grid and usual >= 1 else None
        return Rhythm(len(seconds) / len(times), whole, step)


@dataclass(frozen=True, slots=True)
class Counting:
    """How orders are counted: the rows, the sum of a column, or its different values; `why` in words.

    `others` are other ways that the file offers, as `--value` takes them.
    """

    how: Literal["rows", "sum", "count_distinct"]
    column: str | None
    why: str
    others: tuple[str, ...] = ()

    @property
    def written(self) -> str:
        """As `--value` takes it.

        >>> Counting("count_distinct", "invoice", "").written
        'distinct:invoice'
        """
        prefix = {"rows": "rows", "sum": "", "count_distinct": "distinct:"}[self.how]
        return f"{prefix}{self.column or ''}"


def time_columns(columns: Sequence[Column]) -> list[str]:
    """The columns that hold times, the likeliest time of an order first.

    >>> day = Column("shipped_at", "time", 9, 9, typed=True), Column("created_at", "time", 9, 9, typed=True)
    >>> time_columns(day)
    ['created_at', 'shipped_at']
    """
    ranked = [(_time_rank(column), place, column.name) for place, column in enumerate(columns) if _holds_times(column)]
    return [name for _, _, name in sorted(ranked)]


def _time_rank(column: Column) -> tuple[int, int, int]:
    """Columns with few values, and times of what happens later, come last."""
    words = column.words
    later = re.search(LATER_TIMES, words) is not None
    known = next((tier for tier, names in enumerate(TIME_NAMES) if re.search(names, words)), len(TIME_NAMES))
    return (int(later), known, -(column.distinct > 1))


def _holds_times(column: Column) -> bool:
    if column.typed:
        return True
    if column.kind == "number":
        return _named_like_a_time(column) and _in_range(column)
    if column.kind != "text" or not column.values:
        return False
    read = sum(looks_like_time(value) or _is_iso(value) for value in column.values)
    if read >= READABLE * len(column.values):
        return True
    return _named_like_a_time(column) and read >= len(column.values) / 2


def _is_iso(text: str) -> bool:
    return re.match(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2})?", text) is not None


def _named_like_a_time(column: Column) -> bool:
    return any(re.search(names, column.words) for names in TIME_NAMES)


def _in_range(column: Column) -> bool:
    """Whether the numbers are as large as epochs, spreadsheet serials or the digits of a date."""
    high = column.highest
    return high is not None and any(form.low <= high < form.high for form in NUMBER_FORMS)


def time_of_day_column(columns: Sequence[Column], time: str) -> str | None:
    """The column with the time of day beside a column of dates; None where there is none.

    >>> time_of_day_column([Column("Date", "time", 9, 3), Column("Hour", "number", 9, 3, 0, 23)], "Date")
    'Hour'
    """
    for column in columns:
        if column.name == time or column.distinct < 2 or not re.search(CLOCK_NAMES, column.words):
            continue
        hours = column.kind == "number" and _within_a_day(column)
        if hours or (column.values and all(re.fullmatch(CLOCK, value.strip()) for value in column.values)):
            return column.name
    return None


def hour_columns(columns: Sequence[Column]) -> list[str]:
    """Columns of numbers that are named as an hour of the day each; none where fewer than half of the hours have one.

    >>> hours = [Column(f"{hour:02}:00", "number", 9, 9) for hour in range(24)]
    >>> len(hour_columns(hours)), hour_columns(hours[:9])
    (24, [])
    """
    names = [one.name for one in columns if one.kind == "number" and re.fullmatch(HOUR_NAMES, one.name.strip().lower())]
    return names if len(names) >= 12 else []


def _within_a_day(column: Column) -> bool:
    low, high = column.lowest, column.highest
    return low is not None and high is not None and low >= 0 and high <= 23 and column.distinct <= 24


def how_to_count(columns: Sequence[Column], time: str, rhythm: Rhythm, rows: int) -> Counting | None:
    """How the orders of a sample are counted; None where each time has one row and no column to sum up.

    One row at each time of a grid is a total, unless each row has an order's number: its amount is summed up. Else an
    order's number tells orders apart, and without one each row is an order.
    """
    rest = [column for column in columns if column.name != time and column.filled]
    number = _order_number(rest, rows)
    amounts = _amounts([column for column in rest if column is not number])
    others = tuple(column.name for column in amounts)
    own = number is not None and number.distinct == number.filled and re.search(NUMBERED, number.words) is not None
    totals = rhythm.step is not None and rhythm.together <= 1.01 and not own
    if totals and rest:
        if not amounts:
            return None
        why = "each time has one row, so a row is a total"
        return Counting("sum", amounts[0].name, why, ("rows", *others[1:]))
    if number is not None and _of_parts(number, amounts, rhythm):
        number = None
    if number is not None and number.distinct < number.filled:
        lines = number.filled / number.distinct
        why = f"each occurs {lines:.1f} times: rows are the lines of orders"
        return Counting("count_distinct", number.name, why, ("rows", *others))
    if number is not None:
        return Counting("rows", None, f"each row has its own {number.name!r}{_refunds(amounts)}", others)
    if rhythm.step is not None and amounts and _tier(amounts[0], AMOUNT_NAMES[:3]) is not None:
        why = f"the {rhythm.together:.0f} or so rows of each time are parts of one total"
        return Counting("sum", amounts[0].name, why, ("rows", *others[1:]))
    return Counting("rows", None, "no column has an order's number", others)


def _refunds(amounts: Sequence[Column]) -> str:
    """That rows with amounts below zero count as well; empty where there are none."""
    below = next((one.name for one in amounts if one.lowest is not None and one.lowest < 0), None)
    return "" if below is None else f"; rows with {below!r} below zero, such as refunds, count too"


def _of_parts(number: Column, amounts: Sequence[Column], rhythm: Rhythm) -> bool:
    """Whether rows are totals of parts, each row with a mere number: several at each time of a grid, with an amount.

    >>> day = Rhythm(15.0, whole_days=True, step=timedelta(days=1))
    >>> _of_parts(Column("id", "number", 9, 9), [Column("sales", "number", 9, 9)], day)
    True
    """
    parts = rhythm.step is not None and rhythm.together > 1.01 and number.distinct == number.filled
    mere = re.search(ID_NAMES[-1], number.words) is not None
    return parts and mere and bool(amounts) and _tier(amounts[0], AMOUNT_NAMES[:3]) is not None


def _amounts(columns: Sequence[Column]) -> list[Column]:
    """Columns of numbers that may be summed up, the likeliest first."""
    found = []
    for place, column in enumerate(columns):
        usable = column.kind == "number" and column.lowest is not None and column.distinct > 1
        if (
            not usable
            or _holds_times(column)
            or re.search(NO_AMOUNT, column.words)
            or _tier(column, ID_NAMES[:2]) is not None
        ):
            continue
        tier = _tier(column, AMOUNT_NAMES)
        found.append(((len(AMOUNT_NAMES) if tier is None else tier), place, column))
    return [column for _, _, column in sorted(found, key=lambda one: one[:2])]


def _order_number(columns: Sequence[Column], rows: int) -> Column | None:
    """The column with the number of the order, by name and by how often its values come."""
    found = []
    for place, column in enumerate(columns):
        tier = _tier(column, ID_NAMES)
        enough = column.filled >= READABLE * rows and column.distinct >= max(2, LEAST_IDS * rows)
        if tier is None or not enough or column.kind == "time" or _is_amount_like(column):
            continue
        if tier == len(ID_NAMES) - 1 and column.words == "name" and not any(map(str.isdigit, "".join(column.values))):
            continue  # names of people
        found.append((tier, place, column))
    return min(found, key=lambda one: one[:2])[2] if found else None


CURRENCIES = r"\b(currency|curr|ccy|waehrung|währung|devise|moneda|valuta|divisa)\b"


def currency_names(names: Sequence[str]) -> tuple[str, ...]:
    """Those of some columns' names that say that a column holds currencies.

    >>> currency_names(["amount", "Presentment Currency"])
    ('Presentment Currency',)
    """
    return tuple(name for name in names if re.search(CURRENCIES, Column(name, "text", 1, 1).words))


def order_number_names(names: Sequence[str]) -> tuple[str, ...]:
    """Those of some columns' names that an order's number has, the likeliest first.

    >>> order_number_names(["created_at", "id", "orderId", "Order", "customer"])
    ('orderId', 'Order', 'id')
    """
    told: list[tuple[int, str]] = []
    for name in names:
        tier = _tier(Column(name, "text", 1, 1), (ID_NAMES[0], ALONE, *ID_NAMES[1:]))
        if tier is not None:
            told.append((tier, name))
    return tuple(name for _, name in sorted(told, key=lambda one: one[0]))


NUMBERS_OF_SOMETHING = (
    r"\b(zip|zipcode|postal|postcode|plz|phone|telephone|telefon|mobile|fax|year|month|jahr|monat|sku|ean|gtin|"
    r"latitude|longitude|lat|lon|lng)\b"
)


def is_number_of_something(name: str) -> bool:
    """Whether a column's name says that its numbers tell things apart, so that their sum means nothing.

    >>> [is_number_of_something(name) for name in ("order_id", "ZipCode", "amount", "customer.phone", "years")]
    [True, True, False, True, False]
    """
    words = Column(name, "text", 1, 1).words
    return bool(order_number_names([name])) or re.search(NUMBERS_OF_SOMETHING, words) is not None


COUNTS = (
    r"^(?:(?:number|no|num|n|count|total) (?:of )?)?(orders|transactions|bookings|trips|rides|purchases|checkouts|"
    r"rentals|tickets|receipts|bestellungen|auftr(?:ä|ae)ge|buchungen|pedidos|commandes|ordini)(?: count)?$|"
    r"^order count$"
)
ENDS = r"\b(end|ends|ending|until|till|bis|ende|hasta|einde)\b"


def is_count(name: str) -> bool:
    """Whether a column's name says that it counts, so that its values are whole.

    >>> [is_count(name) for name in ("orders", "number of trips", "sales", "orders_per_minute", "order_value")]
    [True, True, False, False, False]
    """
    return re.search(COUNTS, Column(name, "text", 1, 1).words) is not None


def is_end(name: str) -> bool:
    """Whether a column's name says that its times are ends.

    >>> [is_end(name) for name in ("period_end", "Hour Ending", "weekend", "start")]
    [True, True, False, False]
    """
    return re.search(ENDS, Column(name, "text", 1, 1).words) is not None


def _is_amount_like(column: Column) -> bool:
    """Whether numbers have parts: an identifier has none."""
    return column.kind == "number" and any("." in value and not value.endswith(".0") for value in column.values)


def _tier(column: Column, names: Sequence[str]) -> int | None:
    words = column.words
    return next((tier for tier, pattern in enumerate(names) if re.search(pattern, words)), None)


def state_column(columns: Sequence[Column]) -> Column | None:
    """A column such as an order's status, whose few values say which rows are orders at all; None where there is none.

    >>> state_column([Column("Status", "text", 99, 3)]).name
    'Status'
    """
    found = [one for one in columns if one.kind == "text" and 2 <= one.distinct <= 20 and re.search(STATES, one.words)]
    return found[0] if found else None


NO_ORDERS = (  # columns of yes and no, and values of states, that name what is no order or is one no more
    r"\b(cancell?ed|test|voided?|deleted|refunded|storniert|annulliert|annullata|annul\w+e|cancelad[oa]|fraud|draft)\b"
)
NOT_DONE = r"\b(refund|failed|declined|rejected|expired|abandoned|fehlgeschlagen)\b"


def state_names(names: Sequence[str]) -> tuple[str, ...]:
    """Those of some columns' names that say whether a row is an order at all.

    >>> state_names(["created_at", "financial_status", "isTest", "latest"])
    ('financial_status', 'isTest')
    """
    return tuple(name for name in names if re.search(f"{STATES}|{NO_ORDERS}", Column(name, "text", 1, 1).words))


def no_orders(values: Sequence[str]) -> tuple[str, ...]:
    """Those of a state's values that name what is no order.

    >>> no_orders(("paid", "Refunded", "Failed"))
    ('Refunded', 'Failed')
    """
    named = f"{NO_ORDERS}|{NOT_DONE}"
    return tuple(value for value in values if re.search(named, Column(value, "text", 1, 1).words))


def written_offsets(values: Sequence[str]) -> tuple[str, ...]:
    """The offsets from UTC at the end of some times; none where they are in UTC.

    >>> written_offsets(("2026-08-29 23:41:01 -0400", "2026-01-29T23:41:01-05:00")), written_offsets(("12:00+00:00",))
    (('-04:00', '-05:00'), ())
    """
    found = (re.search(r":\d{2}(?:\.\d+)? ?([+-]\d{2}):?(\d{2})$", value) for value in values)
    return tuple(sorted({f"{one[1]}:{one[2]}" for one in found if one} - {"+00:00", "-00:00"}))


@dataclass(frozen=True, slots=True)
class Guess:
    """How a source is read: the settings, and the reason for each part in words.

    `time_others` are other columns with times, `counting` is how orders are counted, `rhythm` how the times of the
    sample lie, and `state` a column whose few values may say which rows are orders. `offsets` are those from UTC that
    the sample's times are written with, where that is not UTC itself.
    """

    settings: SalesSettings
    counting: Counting
    rhythm: Rhythm
    time_others: tuple[str, ...] = ()
    state: Column | None = None
    offsets: tuple[str, ...] = ()
