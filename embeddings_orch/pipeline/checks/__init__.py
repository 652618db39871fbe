"""What is checked of embeddings and indexes before a publish."""
