"""The page of one record: its score, curve, reasons, receipt and history."""
