"""Services on loopback that keep the documented contract of CRMs that cannot be run here."""
