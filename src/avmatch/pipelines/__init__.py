"""The stories, one file each: decode → front end → encode → score → decide."""
