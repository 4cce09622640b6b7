"""The public test kit: conformance suites of every port, virtual clock, throw-away servers."""
