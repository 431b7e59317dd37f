"""Files and bytes to frames and samples with true times, and back. The only importer of FFmpeg (PyAV)."""
