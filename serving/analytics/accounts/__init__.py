"""The account plan: who a customer is, what it is worth, what it lacks, what to do next."""
