"""The public test kit: flows' own tests, conformance suites of every port, throw-away servers."""

from reactor.testing.flow_tests import Report, play_flow_tests, run_flow_tests

__all__ = ["Report", "play_flow_tests", "run_flow_tests"]
