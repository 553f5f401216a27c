"""Forecasts of accuracy in languages without labels, their intervals, and what labels they are worth."""
