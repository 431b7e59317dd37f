"""Files and bytes → frames and samples with true times, and back. The only room that knows FFmpeg (PyAV)."""
