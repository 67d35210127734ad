"""Any number of records into MaestroQA: none lost, none doubled, or it is said which."""
