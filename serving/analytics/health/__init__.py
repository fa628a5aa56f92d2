"""The health of the pipeline: where deals wait, which, what it costs, whom to call first."""
