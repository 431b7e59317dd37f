"""The frontends room."""
