"""Images that look alike: nearest neighbours and near-duplicates, by embeddings."""
