"""One small function for each ONNX operator."""
