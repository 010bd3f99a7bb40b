"""The planner's work without its screen: read, forecast, plan, explain, for one workload or for thousands."""
