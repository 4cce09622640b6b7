"""What has happened, in figures: tallies, samples of the machine, and the series that pages draw."""
