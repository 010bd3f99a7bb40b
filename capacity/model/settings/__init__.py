"""The blocks of capacity.yaml that are only configuration: orders, usage, planning and control, monitoring.

Workloads, supply, quality, brake and routes are nouns of their own, read from the file as they are.
"""

from __future__ import annotations

from capacity.model.fields import Settings as Settings
from capacity.model.settings.monitoring import IncidentSettings as IncidentSettings
from capacity.model.settings.monitoring import ServeSettings as ServeSettings
from capacity.model.settings.monitoring import TelemetrySettings as TelemetrySettings
from capacity.model.settings.planning import CalendarSettings as CalendarSettings
from capacity.model.settings.planning import ControllerSettings as ControllerSettings
from capacity.model.settings.planning import DatabaseSource as DatabaseSource
from capacity.model.settings.planning import ForecastSettings as ForecastSettings
from capacity.model.settings.planning import SalesSettings as SalesSettings
from capacity.model.settings.usage import Measured as Measured
from capacity.model.settings.usage import PrometheusSettings as PrometheusSettings
from capacity.model.settings.usage import UsageSettings as UsageSettings
from capacity.model.settings.usage import VolumeUsageSettings as VolumeUsageSettings
