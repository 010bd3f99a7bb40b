"""The blocks of capacity.yaml that are only configuration: orders, usage, planning and control, monitoring.

Workloads, supply, quality, brake and routes are nouns of their own, read from the file as they are.
"""

from capacity.edge.settings.block import Settings as Settings
from capacity.edge.settings.monitoring import IncidentSettings as IncidentSettings
from capacity.edge.settings.monitoring import TelemetrySettings as TelemetrySettings
from capacity.edge.settings.orders import DatabaseSource as DatabaseSource
from capacity.edge.settings.orders import SalesSettings as SalesSettings
from capacity.edge.settings.planning import CalendarSettings as CalendarSettings
from capacity.edge.settings.planning import ControllerSettings as ControllerSettings
from capacity.edge.settings.planning import ForecastSettings as ForecastSettings
from capacity.edge.settings.usage import Measured as Measured
from capacity.edge.settings.usage import PrometheusSettings as PrometheusSettings
from capacity.edge.settings.usage import UsageSettings as UsageSettings
