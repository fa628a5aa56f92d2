"""A real Tryton on this machine with a demo company in it, for `make crm-demo` and the tests."""
