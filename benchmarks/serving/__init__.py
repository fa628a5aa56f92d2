"""The service beside a stock BentoML service, MLflow's model server and a bare echo."""
