"""What MaestroQA has: exports, tickets, agents, coaching data, and how each is requested."""
