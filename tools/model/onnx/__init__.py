"""Networks from ONNX. See docs/onnx.md."""
