"""The stories of the commands, one file each."""
