"""Where clips come from: lists of files, manifests, published layouts, packed shards, splits, augmentation."""
