"""Kubernetes, one door: the client that speaks to it, and the objects of ours that live there."""

from __future__ import annotations

from capacity.cluster.client import ClusterReader as ClusterReader
from capacity.cluster.client import ClusterWriter as ClusterWriter
