"""One folder a system: manifest, triggers, actions. Imports the SDK only."""
