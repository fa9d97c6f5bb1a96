"""The matrix: every hop, with and without OpenTelemetry's instrumentation, in every case."""
