"""Kubernetes, one door: the client that speaks to it, and the objects of ours that live there."""

from capacity.edge.cluster.client import ClusterReader as ClusterReader
from capacity.edge.cluster.client import ClusterWriter as ClusterWriter
