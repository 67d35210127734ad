"""What goes into MaestroQA, and the requests for exports."""
