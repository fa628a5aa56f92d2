"""A company's own questions: the event waited for, and the data as such a question sees them."""
