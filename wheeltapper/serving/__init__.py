"""Live doors: readings come in over HTTP and brokers, and what they mean goes out, by the core that the flows use."""
