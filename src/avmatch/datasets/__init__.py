"""Where clips come from: folders, globs and manifests, layouts of the field, and synthetic clips."""
