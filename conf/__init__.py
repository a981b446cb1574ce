"""The configuration language: one folder a group, one YAML file an option; installed as `simulator.conf`."""
