"""The process side of the service: start and drain, probes, reload, admission."""
