"""What somebody does who owns the network, the broker's account and yesterday's signed images."""
