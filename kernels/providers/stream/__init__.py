"""From the bytes of a reply to its events, whatever the network does to them."""
