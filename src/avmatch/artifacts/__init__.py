"""Trained models as files: ONNX graphs that say what they are. The only importer of onnxruntime."""
