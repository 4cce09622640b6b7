"""The store port and its adapters. No policy."""
