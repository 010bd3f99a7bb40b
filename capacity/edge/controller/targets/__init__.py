"""What has a floor on a cluster: HPAs, KEDA's ScaledObjects, Deployments and StatefulSets; and whose each field is."""
