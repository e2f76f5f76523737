"""Results in words: text, tables, pages of HTML, progress. Takes Protocols; no number is made here."""
