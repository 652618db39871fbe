"""Where media come from: sources that list them, and the decoding that models need."""
