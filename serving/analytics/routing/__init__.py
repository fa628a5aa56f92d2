"""Who works what: leads and accounts assigned to owners as an optimisation that changes nothing."""
