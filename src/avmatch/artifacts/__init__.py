"""Trained models as files: ONNX graphs that say what they are, and their cards. The only importer of onnxruntime."""
