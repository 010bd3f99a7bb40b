"""Usage of workloads as Prometheus measured it, asked for politely: few questions, in pieces, once.

`queries` says what is asked, `cache` what is known already, `client` asks, `answers` reads what it gets, `usage` puts
the answers together.
"""

from __future__ import annotations

from capacity.sources.prometheus.client import Prometheus as Prometheus
from capacity.sources.prometheus.queries import recording_rules as recording_rules
from capacity.sources.prometheus.usage import read_usage as read_usage
from capacity.sources.prometheus.usage import read_usages as read_usages
