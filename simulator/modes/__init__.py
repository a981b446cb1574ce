"""The modes of the command line: `mode=<name>` is the module of the same name here."""
