"""netgraph: trained networks as graphs, graphs as tokens, and a variational transformer that samples new networks."""
