"""The `dlms` command: one module a command, and in `app` what they share."""
