"""What an export's headings and columns say by themselves."""
