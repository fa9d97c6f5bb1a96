"""What the marker adds to each hop, one file a product: ``rows`` measures it beside OpenTelemetry."""
