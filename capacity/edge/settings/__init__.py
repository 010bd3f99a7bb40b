"""The blocks of capacity.yaml, one noun a file; unknown keys are errors."""

from capacity.edge.settings.block import Settings as Settings
from capacity.edge.settings.controller import ControllerSettings as ControllerSettings
from capacity.edge.settings.load import LoadSettings as LoadSettings
from capacity.edge.settings.monitoring import IncidentSettings as IncidentSettings
from capacity.edge.settings.monitoring import TelemetrySettings as TelemetrySettings
from capacity.edge.settings.outlook import CalendarSettings as CalendarSettings
from capacity.edge.settings.outlook import ForecastSettings as ForecastSettings
from capacity.edge.settings.prometheus import Measured as Measured
from capacity.edge.settings.prometheus import MetricsSettings as MetricsSettings
from capacity.edge.settings.prometheus import PrometheusSettings as PrometheusSettings
from capacity.edge.settings.sales import DatabaseSource as DatabaseSource
from capacity.edge.settings.sales import SalesSettings as SalesSettings
from capacity.edge.settings.supply import SupplySettings as SupplySettings
from capacity.edge.settings.usage import UsageSettings as UsageSettings
from capacity.edge.settings.workload import TargetSettings as TargetSettings
from capacity.edge.settings.workload import WorkloadSettings as WorkloadSettings
