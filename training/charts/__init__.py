"""How a page looks: charts in SVG, tables, one HTML file that stands alone."""
