"""Alerts: rules over figures and states, what they say now, and what people do about it."""
