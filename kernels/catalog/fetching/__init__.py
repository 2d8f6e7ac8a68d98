"""Models that come from elsewhere: what there is, what fits, and how it is fetched."""
