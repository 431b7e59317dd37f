"""ONNX models with their descriptions: samples or frames in, unit vectors out. The door of onnxruntime."""
