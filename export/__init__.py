"""The exporter: fitted INRs to decoder graphs (ONNX) and bitstreams."""
