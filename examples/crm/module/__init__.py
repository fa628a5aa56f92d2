"""A company's own Tryton module: fields of its own on parties and opportunities."""
