"""How times are written in exports: what a text of digits and letters can mean, and which one form a whole file has.

A shape is a time with every digit replaced by 9 (`99/99/9999 99:99`). All times of one shape are written alike, so a
file of any length has few of them, and they can be told apart without looking at a sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from capacity.model import DataError

NAIVE, WRITTEN = "none", "written"
ORDERS: Final = ("day first", "month first", "year first")
DATES: Final = {"day first": "%d{0}%m{0}%{1}", "month first": "%m{0}%d{0}%{1}", "year first": "%y{0}%m{0}%d"}
CLEAR = 0.01  # share of rows that fit the other order of day and month only, up to which they are typing errors
MONTHS = 12
LONE, LONE_SHARE = 3, 1e-4  # rows (or share of rows) that decide nothing, if they are far from all others
NEAR_DAYS, FAR_DAYS = 13, 20  # from the dates that can only be read in one order: among them, and months away
FEW_YEARS, MANY_YEARS = 4, 8  # two-digit years: the day of the month, read as a year, spans many years
ABBREVIATIONS: Final = {  # offsets in hours: RFC 2822, and those that one place alone uses
    **dict.fromkeys(("Z", "UT", "UTC", "GMT", "WET"), 0.0),
    "EST": -5.0,
    "EDT": -4.0,
    "CST": -6.0,
    "CDT": -5.0,
    "MST": -7.0,
    "MDT": -6.0,
    "PST": -8.0,
    "PDT": -7.0,
    "CET": 1.0,
    "CEST": 2.0,
    "EET": 2.0,
    "EEST": 3.0,
    "WEST": 1.0,
    "MSK": 3.0,
    "JST": 9.0,
    "KST": 9.0,
    "AEST": 10.0,
    "AEDT": 11.0,
    "ACST": 9.5,
    "ACDT": 10.5,
    "AWST": 8.0,
    "NZST": 12.0,
    "NZDT": 13.0,
    "AKST": -9.0,
    "AKDT": -8.0,
    "HST": -10.0,
    "HKT": 8.0,
    "SGT": 8.0,
    "SAST": 2.0,
}
_WEEKDAYS = r"(?:Mon|Tue|Tues|Wed|Thu|Thur|Thurs|Fri|Sat|Sun)"
_LONG_DAYS = r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTHS = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_LONG = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp][Mm])?"
_DASH = r"\s*(?:-|–|—|/|\bto\b|\bbis\b)\s*"
SLOT: Final = rf"(.*?({_TIME})){_DASH}({_TIME})"  # a date, and two times of its day
PAIR: Final = r"(\S.*?[\dZ])(?:\s+(?:-|–|—|to|bis)\s+|/)(\S.*)"  # two times, which are written alike
_FOREIGN: Final = {  # months in six languages, by what they are in English; words that mean two of them are left out
    "Jan": "januar jänner januari janvier janv enero ene gennaio gen janeiro",
    "Feb": "februar februari février févr fév febrero febbraio fevereiro fev",
    "Mar": "märz mrz maart mrt mars marzo março",
    "Apr": "avril avr abril abr aprile",
    "May": "mai mei mayo maggio mag maio",
    "Jun": "juni juin junio giugno giu junho",
    "Jul": "juli juillet juil julio luglio lug julho",
    "Aug": "augustus août agosto ago",
    "Sep": "sept septembre septiembre settembre setembro",
    "Oct": "oktober okt octobre octubre ottobre ott outubro",
    "Nov": "novembre noviembre novembro",
    "Dec": "dezember dez décembre déc diciembre dic dicembre dezembro",
}
_FURTHER: Final = {  # months of languages with cases and other scripts: as they stand in a date
    "Jan": "يناير января янв stycznia ocak січня ιανουαρίου",
    "Feb": "فبراير февраля фев lutego şubat лютого φεβρουαρίου",
    "Mar": "مارس марта мар marca mart березня μαρτίου",
    "Apr": "أبريل ابريل апреля апр kwietnia nisan квітня απριλίου",
    "May": "مايو мая maja mayıs травня μαΐου",
    "Jun": "يونيو июня июн czerwca haziran червня ιουνίου",
    "Jul": "يوليو июля июл lipca temmuz липня ιουλίου",
    "Aug": "أغسطس اغسطس августа авг sierpnia ağustos серпня αυγούστου",
    "Sep": "سبتمبر сентября сен września eylül вересня σεπτεμβρίου",
    "Oct": "أكتوبر اكتوبر октября окт października ekim жовтня οκτωβρίου",
    "Nov": "نوفمبر ноября ноя kasım νοεμβρίου",
    "Dec": "ديسمبر декабря дек grudnia aralık грудня δεκεμβρίου",
}
_ENGLISH: Final = {
    word: month for months in (_FOREIGN, _FURTHER) for month, words in months.items() for word in words.split()
}
_ZEROS = (0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0x1040, 0x17E0)
FOREIGN_DIGITS: Final = "".join(chr(zero + digit) for zero in (*_ZEROS, 0xFF10) for digit in range(10))
ASCII_DIGITS: Final = "0123456789" * (len(_ZEROS) + 1)  # of the digits of other scripts, in their order
DIRECTIONS: Final = "\u200e\u200f\u061c"  # marks of the direction of writing, which nobody sees
_PLAIN: Final = str.maketrans(FOREIGN_DIGITS, ASCII_DIGITS, DIRECTIONS)
JSON_DATE: Final = r"\s*\\?/?(?:new )?Date\((-?[0-9]+)(?:[+-][0-9]{4})?\)\\?/?\s*"  # milliseconds since 1970 in UTC
_CLOCK = re.compile(
    r"(?P<hour>99?)(?:(?P<colon>[:.])99(?:(?P=colon)99(?P<fraction>[.,]9{1,9})?)?)?(?P<half>\s?[AaPp][Mm])?"
)
_ZONE = re.compile(
    r"(?P<blank>\s*)(?:(?P<utc>UTC|GMT)?(?P<offset>[+-]99(?::?99)?)|(?P<name>[A-Za-z]{1,5}))"
    r"(?:\s*(?P<remark>\(.*\)|\[.*\]))?"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How times of one shape are read: a strptime format, and their zone.

    `zone` is "none" where the text names none, "written" where the format's %z reads an offset, and the zone's offset
    in seconds, as text, where the text names the zone.
    """

    format: str
    zone: str = NAIVE


@dataclass(frozen=True, slots=True)
class Fit:
    """How many rows one order of day, month and year reads, and the first and last year that it gives.

    `alone` counts rows that this order reads and the orders compared with it do not.
    """

    rows: int
    alone: int
    first_year: int = 0
    last_year: int = 0


def plain_digits(text: str) -> str:
    """A text with the digits of other scripts as 0 to 9, and without marks of the direction of writing.

    >>> plain_digits("١٥/٠١/٢٠٢٦")
    '15/01/2026'
    """
    return text.translate(_PLAIN)


def shape_of(text: str) -> str:
    """A text with every digit replaced by 9.

    >>> shape_of("27/11/2026 18:05")
    '99/99/9999 99:99'
    """
    return re.sub(r"[0-9]", "9", text.strip())


def readings(shape: str, zone: str = "UTC") -> dict[str, Reading]:
    """Every way to read times of a shape, by the order of day, month and year; "" where only one order is possible.

    `zone` is the business's time zone: an abbreviation that it uses itself means its own offset. Empty where nobody
    can tell what the text means.

    >>> sorted(readings("99/99/9999 99:99"))
    ['day first', 'month first']
    >>> readings("Aaa, 99 Jan 9999"), readings("Mon, 99 Jan 9999 99:99:99 +9999")[""].format
    ({}, '%a, %d %b %Y %H:%M:%S %z')
    """
    shape = shape.replace("\u202f", " ").replace("\xa0", " ")
    for foreign, english in english_words(shape).items():
        shape = shape.replace(foreign, english)
    for dates, rest in _dates(shape):
        clock = _clock(rest, zone)
        if clock is not None:
            return {order: Reading(form + clock.format, clock.zone) for order, form in dates.items()}
    return _ctime(shape, zone)


def unbracketed(shape: str) -> str:
    """A shape without the brackets that web servers write around times."""
    return shape[1:-1] if shape.startswith("[") and shape.endswith("]") else shape


def looks_like_time(text: str) -> bool:
    """Whether a text is a time, or an interval of times, in a form that is read.

    >>> [looks_like_time(text) for text in ("[15/Jan/2026:13:00:00 +0100]", "1.10.2026 00:00 - 1.10.2026 01:00", "May")]
    [True, True, False]
    """
    if re.fullmatch(JSON_DATE, text):
        return True
    shape = unbracketed(shape_of(plain_digits(text)))
    starts = [match[1] for pattern in (PAIR, SLOT) if (match := re.fullmatch(pattern, shape)) is not None]
    return any(readings(one) for one in (shape, *starts))


def english_words(shape: str) -> dict[str, str]:
    """The months of other languages in a shape, and halves of a day with points, as English writes them; longest first.

    >>> english_words("99. Okt. 9999 99:99 a. m.")
    {'a. m.': 'AM', 'Okt': 'Oct'}
    """
    found = {half: f"{half[0].upper()}M" for half in re.findall(r"(?<=[9\s])[ap]\.\s?m\b\.?", shape, re.IGNORECASE)}
    for word in re.findall(r"[^\W\d_]{3,}", shape):
        if word.lower() in _ENGLISH:
            found[word] = _ENGLISH[word.lower()]
    return dict(sorted(found.items(), key=lambda one: -len(one[0])))


def unreadable(shape: str) -> str | None:
    """The name of a form that is known but not read without being asked for, and the format that reads it.

    >>> unreadable("9999-999")
    "ordinal dates (sales.time_format: '%Y-%j')"
    """
    if re.fullmatch(r"9999-999(\D.*)?", shape):
        return "ordinal dates (sales.time_format: '%Y-%j')"
    return None


def chosen_order(fits: Mapping[str, Fit], where: str, example: str) -> str:
    """The one order of day, month and year in which a file's dates are written.

    Raises `DataError` where two orders read every row and so nobody can tell, or where each reads rows that the other
    does not.

    >>> chosen_order({"day first": Fit(90, 20), "month first": Fit(70, 0)}, "orders.csv: created_at", "27/11/2026")
    'day first'
    """
    known = {order: fit for order, fit in fits.items() if fit.rows}
    last = known.pop("year first", None)
    best = max(known, key=lambda order: known[order].rows, default="")
    if last is not None:
        if not best or last.rows * (1 - CLEAR) > known[best].rows:
            return "year first"
        if last.rows >= (1 - CLEAR) * known[best].rows:
            nearer = {_nearer(fits, "year first", order) for order in known}
            if nearer == {"year first"}:
                return "year first"
            if "year first" in nearer or None in nearer:
                raise _either(where, example, best, "year first")
    for order in set(known) - {best}:
        rival, winner = known[order], known[best]
        if rival.rows == winner.rows and not winner.alone and not rival.alone:
            raise _either(where, example, best, order)
        if rival.alone > CLEAR * winner.rows:
            raise DataError(
                f"{where}: expected one form of time, got {winner.alone} rows that can only be read {best} and "
                f"{rival.alone} that can only be read {order}; write them alike, or give time_format"
            )
    return best


def swapped_days(days: Mapping[date, int]) -> tuple[int, date] | None:
    """How many rows lie months away from the others, and among them with day and month swapped; and one of their dates.

    `days` are the dates of a file in its one order, each with its rows. Dates after the twelfth can only be read in one
    order, and say where the others belong. None where so few rows do that they decide nothing: they are far from all
    others.

    >>> january = {date(2024, 1, day): 10 for day in range(8, 29)}
    >>> swapped_days(january)
    >>> swapped_days(january | {date(2024, day, 1): 10 for day in range(3, 8)})
    (50, datetime.date(2024, 3, 1))
    """
    certain = [day for day in days if day.day > MONTHS]
    if not certain:
        return None
    first, last = min(certain), max(certain)

    def off(day: date) -> int:
        return max(0, (first - day).days, (day - last).days)

    moved = {day: rows for day, rows in days.items() if day.day <= MONTHS and off(day) > FAR_DAYS}
    moved = {day: rows for day, rows in moved.items() if off(day.replace(month=day.day, day=day.month)) <= NEAR_DAYS}
    count = sum(moved.values())
    return (count, min(moved)) if count > max(LONE, LONE_SHARE * sum(days.values())) else None


def _either(where: str, example: str, one: str, other: str) -> DataError:
    return DataError(
        f"{where}: times like {example!r} can be read {one} and {other}, and every row fits both; give "
        f"time_format: {one.replace(' ', '_')} or {other.replace(' ', '_')} (--time-format)"
    )


def _nearer(fits: Mapping[str, Fit], one: str, other: str) -> str | None:
    """Of two orders that take different fields for the year, the one whose years lie together; None: both or none."""
    spans = sorted((fits[order].last_year - fits[order].first_year, order) for order in (one, other))
    return spans[0][1] if spans[0][0] * FEW_YEARS <= spans[1][0] and spans[1][0] >= MANY_YEARS else None


def zone_offset(name: str, zone: str = "UTC") -> int | None:
    """The offset of a zone's abbreviation in seconds: the business's own zone first; None where it is not certain.

    >>> zone_offset("EST"), zone_offset("IST"), zone_offset("IST", "Asia/Kolkata")
    (-18000, None, 19800)
    """
    for month in (1, 7):
        local = datetime(2024, month, 1, tzinfo=UTC).astimezone(ZoneInfo(zone))
        offset = local.utcoffset()
        if local.tzname() == name and offset is not None:
            return int(offset.total_seconds())
    hours = ABBREVIATIONS.get(name.upper())
    return None if hours is None else int(timedelta(hours=hours).total_seconds())


def _dates(shape: str) -> list[tuple[dict[str, str], str]]:
    """Every date that a shape can begin with, by order, and what follows it."""
    found: list[tuple[dict[str, str], str]] = []
    if match := re.match(r"9999([-/.])99?\1(?:99?)(?!9)", shape):
        found.append(({"": f"%Y{match[1]}%m{match[1]}%d"}, shape[match.end() :]))
    if match := re.match(r"99?([-/.])99?\1(9999|99)(?!9)", shape):
        found.append((_numeric(match[1], match[2]), shape[match.end() :]))
    if match := re.match(r"9999([年년]\s?)99?([月월]\s?)99?[日일]", shape):
        found.append(({"": f"%Y{match[1]}%m{match[2]}%d{match[0][-1]}"}, shape[match.end() :]))
    if match := re.match(r"9999-?[Ww]99(-?)(9)?(?!9)", shape):
        week = match[0][4 : match[0].index("99", 5)]
        found.append(({"": f"%G{week}%V" + (f"{match[1]}%u" if match[2] else "")}, shape[match.end() :]))
    if match := re.match(r"99999999(?=T)", shape):
        found.append(({"": "%Y%m%d"}, shape[match.end() :]))
    prefix = re.match(rf"(?:({_LONG_DAYS})|({_WEEKDAYS}))(,?\s+)", shape, re.IGNORECASE)
    start, day = (prefix.end(), ("%A" if prefix[1] else "%a") + prefix[3]) if prefix else (0, "")
    month = rf"(?:({_LONG})|({_MONTHS}))(?![a-z])(\.?)"
    if match := re.match(
        rf"99?([-/ .]+|\s+de\s+){month}([-/ ,]+|\s+de\s+)(9999|99)(?!9)", shape[start:], re.IGNORECASE
    ):
        year = "%Y" if len(match[6]) == 4 else "%y"
        text = f"{day}%d{match[1]}{'%B' if match[2] else '%b'}{match[4]}{match[5]}{year}"
        found.append(({"": text}, shape[start + match.end() :]))
    if match := re.match(rf"{month}(\s+)99?(,?\s+)(9999)(?!9)", shape[start:], re.IGNORECASE):
        text = f"{day}{'%B' if match[1] else '%b'}{match[3]}{match[4]}%d{match[5]}%Y"
        found.append(({"": text}, shape[start + match.end() :]))
    return found


def _numeric(mark: str, year: str) -> dict[str, str]:
    """The orders that three numbers can have. Dots are written by those who put the day first."""
    wide = len(year) == 4
    orders = ("day first",) if mark == "." else ("day first", "month first")
    dates = {order: DATES[order].format(mark, "Y" if wide else "y") for order in orders}
    return dates if wide else {**dates, "year first": DATES["year first"].format(mark)}


def _clock(rest: str, zone: str) -> Reading | None:
    """The time of day and its zone that follow a date; None where the text is something else."""
    if not rest:
        return Reading("")
    lead = re.match(r"(?:,?\s+(?:at\s+)?|[Tt]|:)", rest)
    if lead is None:
        return None
    match = _CLOCK.match(rest, lead.end())
    if match is None:
        return _compact(rest, lead.end(), zone)
    if match["colon"] is None and match["half"] is None and rest[match.end() : match.end() + 1] == "9":
        return _compact(rest, lead.end(), zone)
    text = lead[0] + _clock_format(match)
    return _zoned(text, rest[match.end() :], zone)


def _compact(rest: str, start: int, zone: str) -> Reading | None:
    match = re.compile("9999(99)?(?!9)").match(rest, start)
    if match is None:
        return None
    return _zoned(rest[:start] + ("%H%M%S" if match[1] else "%H%M"), rest[match.end() :], zone)


def _clock_format(match: re.Match[str]) -> str:
    colon, parts = match["colon"], match[0].count(match["colon"] or ":")
    hour = "%I" if match["half"] else "%H"
    fraction = match["fraction"] or ""
    if colon == "." and fraction.startswith("."):
        parts -= 1
    text = hour + "".join(f"{colon}{part}" for part in ("%M", "%S")[: max(parts, 0)])
    if fraction:
        text += fraction[0] + ("%n" if len(fraction) > 7 else "%f")
    if match["half"]:
        text += (" " if match["half"][0].isspace() else "") + "%p"
    return text


def _zoned(text: str, rest: str, zone: str) -> Reading | None:
    if not rest:
        return Reading(text)
    match = _ZONE.fullmatch(rest)
    if match is None:
        return None
    if match["remark"] and "9" in match["remark"]:
        return None
    remark = rest[match.end("offset") :] if match["offset"] else ""
    if match["offset"]:
        return Reading(f"{text}{match['blank']}{match['utc'] or ''}%z{remark}".replace("  ", " "), WRITTEN)
    offset = zone_offset(match["name"], zone)
    return None if offset is None or match["remark"] else Reading(f"{text}{match['blank']}{match['name']}", str(offset))


def _ctime(shape: str, zone: str) -> dict[str, Reading]:
    """`Mon Jan 15 10:00:00 2024`, as C's ctime and the command date write it, with or without a zone before the year.

    >>> readings("Mon Jan 99 99:99:99 9999")[""].format
    '%a %b %d %H:%M:%S %Y'
    """
    form = rf"{_WEEKDAYS} {_MONTHS} +99? 99:99:99( [A-Z]{{2,5}}| [+-]9999)? 9999"
    match = re.fullmatch(form, shape)
    if match is None:
        return {}
    named = (match[1] or "").strip()
    text = "%a %b %d %H:%M:%S{} %Y"
    if not named:
        return {"": Reading(text.format(""))}
    if named[0] in "+-":
        return {"": Reading(text.format(" %z"), WRITTEN)}
    offset = zone_offset(named, zone)
    return {} if offset is None else {"": Reading(text.format(f" {named}"), str(offset))}


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that was read: with its zone, or without one (`naive`), or a date alone (`whole_day`)."""

    at: datetime
    whole_day: bool

    @property
    def naive(self) -> bool:
        """Whether the text names no zone."""
        return self.at.tzinfo is None


def read_times(texts: Sequence[str], where: str, zone: str = "UTC", form: str | None = None) -> list[Moment | None]:
    """Times of a small file in the one form that all of them have; None for what is no time.

    `where` names the file in errors, `zone` is the business's time zone, `form` is a strptime format or day_first,
    month_first, year_first. Raises `DataError` where two forms read all of them.

    >>> [moment.at.month for moment in read_times(["27/11/2026", "05/12/2026"], "events.csv") if moment]
    [11, 12]
    """
    texts = [plain_digits(text) for text in texts]
    if form is not None and form.replace("_", " ") not in ORDERS:
        return [_parsed(text, Reading(form, WRITTEN if "%z" in form else NAIVE)) for text in texts]
    known = [readings(shape_of(text), zone) for text in texts]
    order = form.replace("_", " ") if form else _order_of(texts, known, where)
    chosen = [one.get(order) or one.get("") for one in known]
    return [None if one is None else _parsed(text, one) for text, one in zip(texts, chosen, strict=True)]


def _order_of(texts: Sequence[str], known: Sequence[dict[str, Reading]], where: str) -> str:
    """The order of day, month and year of all texts; empty where none needs one."""
    numeric = [(text, one) for text, one in zip(texts, known, strict=True) if len(one) > 1]
    certain = {order for one in known if len(one) == 1 for order in one} & set(ORDERS)
    if not numeric:
        return next(iter(certain), "")
    read = {
        order: [_parsed(text, one[order]) if order in one else None for text, one in numeric]
        for order in ORDERS
        if any(order in one for _, one in numeric)
    }
    return chosen_order({order: _fit(order, read) for order in read}, where, numeric[0][0].strip())


def _fit(order: str, read: Mapping[str, Sequence[Moment | None]]) -> Fit:
    found = [moment for moment in read[order] if moment is not None]
    others = [read[other] for other in read if other not in (order, "year first")]
    alone = sum(
        moment is not None and all(other[place] is None for other in others) for place, moment in enumerate(read[order])
    )
    years = [moment.at.year for moment in found] or [0]
    return Fit(len(found), alone, min(years), max(years))


def _parsed(text: str, reading: Reading) -> Moment | None:
    """The text in one form; None where it is no such time."""
    text, form = text.strip().replace("\u202f", " ").replace("\xa0", " "), reading.format
    for foreign, english in english_words(shape_of(text)).items():
        text = text.replace(foreign, english)
    if "%V" in form and "%u" not in form:  # a week is named by its Monday
        text, form = f"1 {text}", f"%u {form}"
    if "%n" in form:
        text, form = re.sub(r"([.,]\d{6})\d{1,3}", r"\1", text), form.replace("%n", "%f")
    try:
        at = datetime.strptime(text, form)  # noqa: DTZ007 - a time without a zone stays one
    except ValueError:
        return None
    if reading.zone not in (NAIVE, WRITTEN):
        at = at.replace(tzinfo=timezone(timedelta(seconds=int(reading.zone))))
    return Moment(at, re.search(r"%[HI]", form) is None)


@dataclass(frozen=True, slots=True)
class NumberForm:
    """A time as a number: whole numbers from `low` up to `high` (excluded), and how they are read.

    `format` is a strptime format of the digits, or empty: then the number counts `unit`s per second from `origin`
    (seconds since 1970). Spreadsheet serials count days on the business's clock (`local`).
    """

    name: str
    low: float
    high: float
    format: str = ""
    unit: float = 1.0
    origin: int = 0
    local: bool = False

    def describe(self) -> str:
        """The form in words."""
        return self.name if not self.format else f"digits {self.format}"


# A number has at most one form: 1998 to 2100 for epochs, 1927 to 2173 for serials. Wider ranges would take other clocks
# for epochs: seconds since 2001, ticks of .NET and minutes fall into 1970 to 1997. Dates with an hour overlap those
# after 2030, of which few are such dates: where all rows are, they come first.
NUMBER_FORMS: Final = (
    NumberForm("spreadsheet serial", 1e4, 1e5, unit=1 / 86400, origin=-2209161600, local=True),
    NumberForm("yyyymmdd", 19000101, 22000101, "%Y%m%d"),
    NumberForm("yyyymmddhh", 1900010100, 2200010100, "%Y%m%d%H"),
    NumberForm("epoch", 883612800, 4102444800),
    NumberForm("yyyymmddhhmm", 190001010000, 220001010000, "%Y%m%d%H%M"),
    NumberForm("epoch_ms", 883612800e3, 4102444800e3, unit=1e3),
    NumberForm("yyyymmddhhmmss", 19000101000000, 22000101000000, "%Y%m%d%H%M%S"),
    NumberForm("epoch_us", 883612800e6, 4102444800e6, unit=1e6),
    NumberForm("epoch_ns", 883612800e9, 4102444800e9, unit=1e9),
)
EXPLICIT: Final = {
    **{form.name: form for form in NUMBER_FORMS if not form.format},
    "serial": NUMBER_FORMS[0],
    "serial_1904": NumberForm("spreadsheet serial (1904)", 1.0, 1e5, unit=1 / 86400, origin=-2082844800, local=True),
}
