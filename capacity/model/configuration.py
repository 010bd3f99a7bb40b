"""The configuration as a whole: the blocks of capacity.yaml, and the checks of one block against another."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema

from capacity.model.errors import ConfigError, hide_secrets
from capacity.model.fields import Settings, TimeZone, duration_text, keys_of
from capacity.model.headroom import buffer_name
from capacity.model.limits import Supply
from capacity.model.settings.monitoring import IncidentSettings, ServeSettings, TelemetrySettings
from capacity.model.settings.planning import (
    CalendarSettings,
    ChoiceSettings,
    ControllerSettings,
    ForecastSettings,
    SalesSettings,
)
from capacity.model.settings.usage import Measured, PrometheusSettings, UsageSettings, VolumeUsageSettings
from capacity.model.workload import Workload

MEASURED_BY = ("url", "tenant", "matchers", "requests", "recorded", "step", "history")  # of `prometheus:`, in a plan
MOMENT = TypeAdapter(datetime)


class _Schema(GenerateJsonSchema):
    """Pydantic's schema, with default durations as 5m and descriptions that end where a docstring lists parameters."""

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        """The schema of a noun; its parameters are keys, and each has a description of its own."""
        made = super().dataclass_schema(schema)
        if "description" in made:
            made["description"] = made["description"].partition("\n\nParameters\n")[0]
        return made

    def encode_default(self, dft: Any) -> Any:
        """The default as JSON."""
        return duration_text(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


class Config(Settings):
    """The whole of capacity.yaml."""

    timezone: TimeZone = Field("UTC", description="The business's clock; inside everything is UTC.")
    sales: SalesSettings | None = Field(None, description="Orders. None: usage is forecast by itself.")
    usage: UsageSettings | None = Field(None, description="What workloads used: their load is learned from it.")
    volume_usage: VolumeUsageSettings | None = Field(
        None, description="What volumes hold, from files. None: from Prometheus, where it is configured."
    )
    calendar: CalendarSettings = CalendarSettings()
    forecast: ForecastSettings = ForecastSettings()
    prometheus: PrometheusSettings | None = Field(None, description="Where usage is measured. None: it is not read.")
    defaults: dict[str, Any] = Field(default_factory=dict, description="Any key of a workload.")
    workloads: tuple[Workload, ...] = ()
    supply: Supply = Supply()
    workload_table: str | None = Field(
        None, description="CSV or Parquet with one workload a row, its columns keys as load.cpu.base; beside workloads."
    )
    choice: ChoiceSettings = ChoiceSettings()
    controller: ControllerSettings = ControllerSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    incidents: IncidentSettings = IncidentSettings()
    serve: ServeSettings = ServeSettings()

    @field_validator("defaults")
    @classmethod
    def _known_defaults(cls, defaults: dict[str, Any]) -> dict[str, Any]:
        if unknown := sorted(set(defaults) - keys_of(Workload)):
            raise ValueError(f"unknown keys {unknown}; a workload has {sorted(keys_of(Workload))}")
        return defaults

    @field_validator("workloads", mode="before")
    @classmethod
    def _spread(cls, workloads: Any, info: ValidationInfo) -> Any:
        """Each workload with the defaults, and with the business's clock where its limits tell times."""
        if not isinstance(workloads, list):
            return workloads
        defaults, zone = info.data.get("defaults", {}), info.data.get("timezone", "UTC")
        return [_on_clock({**defaults, **one}, zone) if isinstance(one, dict) else one for one in workloads]

    @model_validator(mode="after")
    def _forecasts_what_workloads_need(self) -> Self:
        """The levels of all workloads are among those that are forecast, listed or not."""
        ahead = {one.headroom.level for one in self.workloads if one.headroom is not None}
        levels = {*self.forecast.quantile_levels, *(one.quantile_level for one in self.workloads), *ahead}
        forecast = self.forecast.model_copy(update={"quantile_levels": tuple(sorted(levels))})
        object.__setattr__(self, "forecast", forecast)
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [one.key for one in self.workloads]
        if len(names) != len(set(names)):
            raise ValueError(f"workloads: expected each namespace/name once, got {sorted(names)}")
        targets = [(one.namespace, one.target.kind, one.target.name) for one in self.workloads]
        if len(targets) != len(set(targets)):
            raise ValueError(
                f"workloads: expected each autoscaler to be the target of one workload, got {sorted(targets)}"
            )
        if self.sales is None and self.usage is None and self.prometheus is None:
            raise ValueError("expected sales, usage or both, got neither")
        self._refuse_claims_named_twice()
        if self.sales is not None and self.forecast.horizon < self.sales.step:
            raise ValueError(f"forecast.horizon {self.forecast.horizon} is shorter than one step {self.sales.step}")
        for item in self.workloads:
            if item.group is not None and (self.sales is None or self.sales.group is None):
                raise ValueError(f"workload {item.namespace}/{item.name}: group needs sales.group")
        return self

    def _refuse_claims_named_twice(self) -> None:
        named = [(one.namespace, rules.claim) for one in self.workloads for rules in one.volumes if rules.claim]
        twice = sorted({"/".join(one) for one in named if named.count(one) > 1})
        if twice:
            raise ValueError(f"workloads: expected each claim under one workload's volumes, got {twice} twice")
        for one in self.workloads:
            alone = [rules.claim for rules in one.volumes if rules.claim]
            both = [name for name in alone if sum(rules.matches(name, one.name) for rules in one.volumes) > 1]
            if both:
                where = f"workload {one.namespace}/{one.name}"
                raise ValueError(f"{where}: expected a claim by its name or by its template, got {both} by both")
        if (volumes := [one for one in self.workloads if one.volumes]) and not (self.volume_usage or self.prometheus):
            names = [f"{one.namespace}/{one.name}" for one in volumes]
            raise ValueError(f"workloads {names}: volumes need volume_usage or prometheus, got neither")

    @model_validator(mode="after")
    def _headroom_groups_agree(self) -> Self:
        """Workloads that share a buffer ask for the same one, in one namespace."""
        groups: dict[str, Workload] = {}
        for item in self.workloads:
            if item.headroom is None or item.headroom.group is None:
                continue
            first = groups.setdefault(item.headroom.group, item)
            pair = (
                f"headroom group {item.headroom.group}: {first.namespace}/{first.name} and {item.namespace}/{item.name}"
            )
            if first.namespace != item.namespace:
                raise ValueError(
                    f"{pair}: expected workloads of one namespace, which holds the buffer; name two groups"
                )
            if first.headroom != item.headroom:
                raise ValueError(f"{pair}: expected the same headroom, got two; write it once in defaults")
        return self

    @model_validator(mode="after")
    def _buffers_are_told_apart(self) -> Self:
        """A workload may not be named as the buffer of a group would be."""
        owners: dict[tuple[str, str], tuple[str, str | None]] = {}
        for item in self.workloads:
            if item.headroom is not None:
                name, group = buffer_name(item.name, item.headroom.group), item.headroom.group
                owner = (item.name if group is None else group, group)
                if owners.setdefault((item.namespace, name), owner) != owner:
                    raise ValueError(f"headroom: two buffers {item.namespace}/{name}: expected another name of a group")
        return self

    @model_validator(mode="after")
    def _groups_are_told_apart(self) -> Self:
        if self.calendar.groups and (self.sales is None or self.sales.group is None):
            raise ValueError("calendar.groups: expected sales.group, the column whose values these are, got none")
        return self

    @model_validator(mode="after")
    def _history_is_measured(self) -> Self:
        for item in self.workloads:
            if item.throughput == "history" and (missing := self._unmeasured(item)):
                raise ValueError(
                    f"workload {item.namespace}/{item.name}: throughput: history needs {missing}, got none"
                )
        return self

    def _unmeasured(self, item: Workload) -> str:
        """What is not measured of what replicas serve; empty where all of it is."""
        if self.usage is not None:
            return " and ".join(
                f"usage.{key}" for key in ("replicas", "requests", "cpu") if key not in self.usage.columns
            )
        if self.prometheus is None:
            return "usage or prometheus"
        return "" if self.prometheus.requests or item.metrics.requests else "prometheus.requests or metrics.requests"

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """The JSON Schema, with durations as people write them."""
        return super().model_json_schema(*args, **{"schema_generator": _Schema, **options})

    def measured(self) -> tuple[Measured, ...]:
        """All workloads as Prometheus is asked for them."""
        return tuple(Measured.of(one) for one in self.workloads)

    def unmoved(self) -> list[str]:
        """Workloads to whose load no sale adds (so `capacity init` drafts them), where nothing is measured either."""
        if self.sales is None or self.usage is not None or self.prometheus is not None:
            return []
        loads = {f"{one.namespace}/{one.name}": one.load for one in self.workloads}
        return [name for name, of in loads.items() if of.cpu_per_sale_per_hour == of.memory_per_sale_per_hour == 0]

    def orders(self) -> SalesSettings:
        """The block `sales:`, for what cannot be done without it. Raises `ConfigError` where there is none."""
        if self.sales is None:
            raise ConfigError("sales: expected where the orders are, got nothing: this needs orders")
        return self.sales

    def settings_hash(self) -> str:
        """A short fingerprint of everything that shapes a plan; equal settings, equal hash, in whatever folder."""
        return _hashed(_text(self._shaping()))

    def settings_blocks(self) -> dict[str, str]:
        """A short fingerprint of each block that shapes a plan, to tell which of them changed since."""
        return _blocks({name: _text(block) for name, block in self._shaping().items()})

    def fingerprints(self) -> tuple[str, dict[str, str]]:
        """`settings_hash` and `settings_blocks`, for little more than one of them."""
        texts = {name: _text(block) for name, block in self._shaping().items()}
        whole = ", ".join(f"{_text(name)}: {texts[name]}" for name in sorted(texts))
        return _hashed(f"{{{whole}}}"), _blocks(texts)

    def _shaping(self) -> dict[str, Any]:
        """Every setting that shapes a plan, as JSON has it, without folders and without what is not asked for."""
        settings = self.model_dump(mode="json", exclude={"defaults", "choice", "telemetry", "incidents", "serve"})
        settings["workloads"] = [_asked_for(one) for one in settings["workloads"]]
        if self.sales is not None and isinstance(self.sales.source, str):
            settings["sales"]["source"] = Path(self.sales.source).name
        for rule in [*settings["sales"]["select"], *settings["sales"]["rules"]] if self.sales is not None else ():
            if rule["reference"] is not None:
                rule["reference"]["file"] = Path(rule["reference"]["file"]).name
        if self.usage is None:
            del settings["usage"]  # what is not asked for leaves no trace
        else:
            settings["usage"]["source"] = Path(self.usage.source).name
        if self.volume_usage is None:
            del settings["volume_usage"]
        else:
            settings["volume_usage"]["source"] = Path(self.volume_usage.source).name
        for key in ("events", "columns"):
            settings["calendar"][key] = Path(settings["calendar"][key] or "").name
        for own in settings["calendar"]["groups"].values():
            own["events"] = Path(own["events"] or "").name
        if not self.calendar.groups:
            del settings["calendar"]["groups"]
        if self.prometheus is None:
            del settings["prometheus"]
        else:
            settings["prometheus"] = {key: settings["prometheus"][key] for key in MEASURED_BY}
        settings["workload_table"] = Path(self.workload_table or "").name
        for quota in (settings["supply"]["cluster"], *settings["supply"]["quotas"].values()):
            if quota is not None and quota["storage"] is None:
                del quota["storage"]
        for node in settings["supply"]["node_types"]:
            if node["limit"] is None:
                del node["limit"]
        return settings


def _blocks(texts: dict[str, str]) -> dict[str, str]:
    """The fingerprints of blocks of settings in JSON, without those that hold nothing."""
    return {name: _hashed(text)[:8] for name, text in texts.items() if text not in ("null", '""')}


def _text(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


BESIDE = {"ignored_by": [], "take": False}  # of a target: beside whom it is moved shapes no plan
ACTUATORS = ("headroom", "vertical", "volumes")  # keys of a workload that leave no trace where they are not asked for


def _asked_for(workload: dict[str, Any]) -> dict[str, Any]:
    """The workload without the actuators that it does not use: the settings of an older version keep their hash."""
    known = {key: value for key, value in workload.items() if value or key not in ACTUATORS}
    known["target"] = {**known["target"], **BESIDE}
    return known if known.get("scaling") != "horizontal" else {k: v for k, v in known.items() if k != "scaling"}


def _on_clock(workload: dict[str, Any], zone: str) -> dict[str, Any]:
    """The workload as written, its freezes and hours on the clock of the business where they name no other."""
    limits = workload.get("limits")
    if not isinstance(limits, dict) or not {"freezes", "hours"} & set(limits):
        return workload
    hours, freezes = limits.get("hours", ()), limits.get("freezes", ())
    if isinstance(hours, list):
        hours = [{"timezone": zone, **one} if isinstance(one, dict) else one for one in hours]
    if isinstance(freezes, list):
        freezes = [
            {key: _aware(value, zone) if key in ("start", "end") else value for key, value in one.items()}
            if isinstance(one, dict)
            else one
            for one in freezes
        ]
    return {**workload, "limits": {**limits, "hours": hours, "freezes": freezes}}


def _aware(value: Any, zone: str) -> Any:
    """A moment with a time zone; what is no moment stays as it is, and is refused where it stands."""
    try:
        moment = MOMENT.validate_python(value)
    except ValidationError:
        return value
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))


def describe(error: ValidationError) -> str:
    """The most telling of pydantic's findings on one line, with what to do, and how many more there are.

    Of a key that may be written in several ways, each way has its finding: the deepest tells what was meant, and an
    unknown key tells more than the one that is missing for it.
    """
    findings = error.errors(include_url=False)
    first = max(findings, key=lambda finding: (len(finding["loc"]), finding["type"] in UNKNOWN))
    parts = list(first["loc"])
    shown = [part for part in parts[:-1] if not _is_alternative(part)]
    shown += [part for part in parts[-1:] if first["type"] in UNKNOWN or not _is_alternative(part)]
    where, message = ".".join(map(str, shown)), first["msg"].removeprefix("Value error, ")
    if first["type"] in UNKNOWN:
        message = f"unknown key; see `capacity schema` for the keys{_meant(str(parts[-1]))}"
    elif first["type"] not in ("value_error", "missing"):
        message = f"{message}, got {first['input']!r}{_remedy(str(shown[-1]) if shown else '', first['input'])}"
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return hide_secrets(f"{where}: {message}{more}" if where else f"{message}{more}")


UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
ALIKE = 0.75  # how alike two names are of which one may be meant for the other
ELSEWHERE = {  # what other tools call our keys
    "min_replicas": "floor",
    "max_replicas": "ceiling",
    "min_replica_count": "floor",
    "max_replica_count": "ceiling",
    "tz": "timezone",
    "interval": "step",
    "target": "target_utilization",
    "cpu": "cpu_request",
    "memory": "memory_request",
}


def _meant(key: str) -> str:
    """Which key an unknown one may stand for, in words; empty where none is like it."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_")
    schema = json.dumps(Config.model_json_schema())
    known = sorted(set(re.findall(r'"([a-z][a-z_]*)": \{', schema)) - {key})
    found = [ELSEWHERE[plain]] if plain in ELSEWHERE else difflib.get_close_matches(plain, known, 1, ALIKE)
    return f"; is {found[0]!r} meant?" if found else ""


def _remedy(key: str, value: Any) -> str:
    """What to write in place of a value that is often written so, in words; empty where nobody can tell."""
    if key in ("floor", "ceiling") and value == 0 and not isinstance(value, bool):
        return ": write 1, or leave the workload out; what scales it to zero while nothing is asked of it is KEDA"
    if key == "target_utilization" and (share := _share(value)) is not None:
        return f": a share, write {share:g}"
    if isinstance(value, bool) and key not in ("floor", "ceiling"):
        return ": YAML reads yes, no, on and off as true and false; put the text in quotes"
    if key == "holidays" and isinstance(value, str):
        return f": write a list, [{value.upper()}]"
    return ""


def _share(value: Any) -> float | None:
    """A percentage as a share; None where it is none."""
    try:
        percent = float(str(value).strip().removesuffix("%"))
    except ValueError:
        return None
    return percent / 100 if 2 <= percent <= 100 else None


def _is_alternative(part: int | str) -> bool:
    """Whether pydantic names one of several ways to write a key here (a class, a literal, a type), not a key."""
    return isinstance(part, str) and (part[:1].isupper() or "[" in part or part == "str")
