"""Each file once to small features, kept under the hash of its content."""
