"""Ways to tell from small features how well a sound fits a picture, at every offset tried."""
