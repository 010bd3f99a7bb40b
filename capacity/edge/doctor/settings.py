"""Whether capacity.yaml reads, and every file with a secret or a certificate that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from capacity.edge.config import Config
from capacity.edge.doctor.finding import Finding
from capacity.edge.settings import PrometheusSettings
from capacity.edge.settings.monitoring import ServiceSettings

FIX_CONFIG = "`capacity schema` lists the keys, `capacity init` writes a first file"


def check_config(config: Config, name: str) -> Iterator[Finding]:
    """What there is to plan, then every file with a secret or a certificate."""
    count = len(config.workloads)
    if not count:
        yield Finding("config", "warn", f"{name}: no workloads", "name them under workloads, or run `capacity init`")
    else:
        yield Finding("config", "ok", f"{name}: {count} workload{'s' if count > 1 else ''}, clock {config.timezone}")
    if flat := config.unmoved():
        fix = "set what a sale adds (load: per_sale_per_hour), or name where usage is measured (prometheus, usage)"
        yield Finding(
            "load", "warn", f"no sale adds to the load of {', '.join(flat)}: their plans are straight lines", fix
        )
    files = dict(_files(config))
    broken = [finding for key, file in files.items() if (finding := _readable(key, file))]
    yield from broken
    if files and not broken:
        yield Finding("secrets", "ok", f"{len(files)} file{'s' if len(files) > 1 else ''} readable")


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    if config.prometheus is not None:
        yield from _of_prometheus(config.prometheus)
    services: dict[str, ServiceSettings | None] = {
        "telemetry.pushgateway": config.telemetry.pushgateway,
        "incidents.servicenow": config.incidents.servicenow,
        "incidents.alertmanager": config.incidents.alertmanager,
    }
    for name, service in services.items():
        for key in ("token_file", "password_file", "ca_file"):
            file = getattr(service, key, None)
            if file is not None:
                yield f"{name}.{key}", Path(file)


def _of_prometheus(settings: PrometheusSettings) -> Iterator[tuple[str, Path]]:
    for key in ("token_file", "ca_file"):
        file = getattr(settings, key)
        if file is not None:
            yield f"prometheus.{key}", Path(file)
    for header, file in settings.header_files.items():
        yield f"prometheus.header_files.{header}", Path(file)


def _readable(key: str, file: Path) -> Finding | None:
    """What keeps us from one line of text in the file; its content is never shown."""
    fix = "mount the secret there, readable by this user, or correct the path"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        return Finding("secrets", "fail", f"{key}: {file}: {error.strerror}", fix)
    except UnicodeDecodeError:
        return Finding("secrets", "fail", f"{key}: {file}: expected text, got bytes", fix)
    return None if text.strip() else Finding("secrets", "fail", f"{key}: {file}: empty", fix)
