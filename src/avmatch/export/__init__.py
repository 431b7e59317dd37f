"""From trained networks to files that need no torch: ONNX graphs and their cards."""
