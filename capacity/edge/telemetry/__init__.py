"""Metrics out: one table of names, samples of what happened, and the ways they leave."""

from capacity.edge.telemetry.exposition import Exposition as Exposition
from capacity.edge.telemetry.exposition import exposition_text as exposition_text
from capacity.edge.telemetry.exposition import write_textfile as write_textfile
from capacity.edge.telemetry.metrics import METRICS as METRICS
from capacity.edge.telemetry.metrics import Metric as Metric
from capacity.edge.telemetry.metrics import Sample as Sample
