"""The simulator: fleets of boards on one machine, each running the core that a real board runs."""
