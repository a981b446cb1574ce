"""Faults with an answer key: what may go wrong between the market and the reader. `conf/faults/<name>.yaml`, a module each.

The market's events are never touched: a fault changes when and how the record of an event is sent, and the ledger says which.
"""
